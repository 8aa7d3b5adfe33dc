"""What is learnt of a link from the messages that crossed it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.link import LinkEstimate, LinkState

CONFIGURED = LinkState(0.04, 1e-8)
numbers = st.floats(allow_nan=True, allow_infinity=True)


def crossed(estimate: LinkEstimate, link: LinkState, messages: int, start_s: float = 0.0, noise_s: float = 0.0) -> None:
    rng = np.random.default_rng(0)
    for number in range(messages):
        bits = float(rng.uniform(2e3, 2e5))
        estimate.note(bits, link.seconds(bits) + noise_s * float(rng.exponential()), start_s + number)


def test_nothing_measured_is_what_was_configured() -> None:
    assert LinkEstimate(CONFIGURED).state == CONFIGURED


@pytest.mark.parametrize("link", [LinkState(0.2, 1e-6), LinkState(0.004, 2e-8), LinkState(0.04, 1e-5)])
def test_both_numbers_are_found(link: LinkState) -> None:
    estimate = LinkEstimate(CONFIGURED)
    crossed(estimate, link, 200)
    assert estimate.state.round_trip_s == pytest.approx(link.round_trip_s, rel=0.1, abs=0.002)
    assert estimate.state.bits_per_s == pytest.approx(link.bits_per_s, rel=0.5)


def test_messages_of_one_size_tell_their_time_and_leave_the_bandwidth() -> None:
    estimate = LinkEstimate(CONFIGURED)
    for second in range(100):
        estimate.note(5e3, 0.1, float(second))
    assert estimate.state.seconds(5e3) == pytest.approx(0.1, rel=0.1)
    assert estimate.state.bits_per_s > 1e6


def test_a_lost_bandwidth_is_followed_and_stays_believed_when_it_is_silent() -> None:
    estimate = LinkEstimate(CONFIGURED)
    crossed(estimate, LinkState(0.04, 1e-7), 300, noise_s=0.001)
    slow = LinkState(0.04, 5e-7)
    crossed(estimate, slow, 60, start_s=300.0, noise_s=0.001)
    assert estimate.state.seconds(1e5) == pytest.approx(slow.seconds(1e5), rel=0.25)
    estimate.note(5e4, slow.seconds(5e4), 4000.0)
    assert estimate.state.seconds(1e5) > CONFIGURED.seconds(1e5)


def test_one_slow_message_does_not_make_a_slow_link() -> None:
    estimate = LinkEstimate(CONFIGURED)
    crossed(estimate, CONFIGURED, 50)
    estimate.note(1e4, 5.0, 50.0)
    assert estimate.state.seconds(1e4) < 1.0


@given(st.lists(st.tuples(numbers, numbers, numbers), max_size=20))
def test_whatever_is_measured_the_line_is_finite_and_never_below_nothing(messages: list[tuple[float, float, float]]) -> None:
    estimate = LinkEstimate(CONFIGURED)
    for bits, seconds, now in messages:
        estimate.note(bits, seconds, now)
    state = estimate.state
    assert 0 <= state.round_trip_s < 1e5
    assert 0 <= state.seconds_per_bit < 1e5


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_the_time_of_one_size_lies_between_what_was_believed_and_what_was_measured(seconds: list[float]) -> None:
    estimate = LinkEstimate(LinkState(0.04, 0.0))
    for number, value in enumerate(seconds):
        estimate.note(0.0, value, float(number))
    assert min(0.04, *seconds) - 1e-9 <= estimate.state.round_trip_s <= max(0.04, *seconds) + 1e-9
