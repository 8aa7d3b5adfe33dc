"""Limits from the body and from headers."""

import pytest

from deployments.gateway.deadline import Deadline, arrival
from deployments.gateway.slo import SloBody, read_slo
from policies.errors import InvalidRequest
from policies.types import OnInfeasible, Privacy, Slo


def test_no_limit_is_no_limit() -> None:
    assert read_slo(None, [(b"content-type", b"application/json")]) == Slo()


def test_headers_are_limits_too_and_the_body_counts_more() -> None:
    headers = [(b"x-slo-max-latency-s", b"2.5"), (b"x-slo-privacy", b"edge"), (b"x-slo-on-infeasible", b"reject")]
    slo = read_slo(SloBody(max_latency_s=1.0, max_cost_usd=0.1), headers)
    assert slo == Slo(max_latency_s=1.0, max_cost_usd=0.1, privacy=Privacy.EDGE, on_infeasible=OnInfeasible.REJECT)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon", ""])
def test_a_bad_header_is_named(value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_slo(None, [(b"x-slo-max-ttft-s", value.encode())])
    assert refused.value.param == "x-slo-max-ttft-s"


def test_an_unknown_limit_names_the_nearest() -> None:
    with pytest.raises(InvalidRequest, match="did you mean 'x-slo-max-latency-s'"):
        read_slo(None, [(b"x-slo-latency", b"1")])


def test_a_deadline_has_the_limits_or_the_default() -> None:
    assert Deadline.of(Slo(), 10.0, 60.0) == Deadline(10.0, 60.0, 60.0)
    deadline = Deadline.of(Slo(max_latency_s=2.0, max_ttft_s=0.5), 10.0, 60.0)
    assert (deadline.at, deadline.first_token_at) == (12.0, 10.5)
    assert Deadline.of(Slo(max_latency_s=2.0, max_ttft_s=5.0), 10.0, 60.0).first_token_at == 12.0


def test_the_time_of_arrival_is_haproxys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.5)
    assert arrival({b"x-isthmus-arrival-us": b"1000000000"}, 7.0) == pytest.approx(6.5)


@pytest.mark.parametrize("stamp", [b"", b"soon", b"2000000000", b"1", b"-5"])
def test_a_stamp_that_cannot_be_is_not_believed(stamp: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.5)
    assert arrival({b"x-isthmus-arrival-us": stamp}, 7.0) == 7.0


def test_without_a_stamp_the_request_arrives_now() -> None:
    assert arrival({}, 7.0) == 7.0
