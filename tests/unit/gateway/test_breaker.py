"""When a server is left alone."""

from deployments.gateway.breaker import Breaker


def test_three_failures_in_a_row_open_it_and_an_answer_after_a_probe_closes_it() -> None:
    breaker = Breaker()
    for second in (1.0, 2.0):
        breaker.failed(second, second, "late")
        assert breaker.why is None
    breaker.failed(3.0, 3.0, "late")
    assert breaker.why == "late"
    assert breaker.may_be_tried(3.0)
    breaker.try_out()
    breaker.succeeded()
    assert (breaker.why, breaker.half_open) == (None, False)


def test_a_trial_that_fails_opens_it_at_once_and_for_longer_each_time() -> None:
    breaker, now, waited = Breaker(), 0.0, []
    breaker.open("no answer")
    for _ in range(8):
        began = now
        while not breaker.may_be_tried(now):
            now += 1.0
        waited.append(now - began)
        breaker.try_out()
        assert breaker.half_open
        breaker.failed(now, now, "no answer again")
        assert breaker.why == "no answer again"
    assert waited == [0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert not breaker.may_be_tried(now)
    breaker.try_out()
    breaker.succeeded()
    breaker.failed(now + 1, now + 1, "late")
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
