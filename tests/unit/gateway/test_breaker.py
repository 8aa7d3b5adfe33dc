"""When a server is left alone."""

from deployments.gateway.breaker import Breaker


def test_three_failures_in_a_row_open_it_and_a_probe_closes_it() -> None:
    breaker = Breaker()
    for second in (1.0, 2.0):
        breaker.failed(second, second, "late")
        assert breaker.why is None
    breaker.failed(3.0, 3.0, "late")
    assert breaker.why == "late"
    breaker.close()
    assert breaker.why is None


def test_requests_lost_together_count_once() -> None:
    breaker = Breaker()
    for began_at in (1.0, 1.1, 1.2, 1.3):
        breaker.failed(began_at, 5.0, "gone")
    assert breaker.why is None


def test_a_success_between_two_failures_starts_anew() -> None:
    breaker = Breaker()
    for second in (1.0, 2.0):
        breaker.failed(second, second, "late")
    breaker.succeeded()
    for second in (3.0, 4.0):
        breaker.failed(second, second, "late")
    assert breaker.why is None


def test_it_can_be_opened_at_once() -> None:
    breaker = Breaker()
    breaker.open("no replica is running")
    assert breaker.why == "no replica is running"
