"""The replica target: up in time, down late, to zero and back, and never to and fro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import ConfigurationError
from policies.scaling import Demand, ReplicaTarget, ScalingSettings

SETTINGS = ScalingSettings(slots=8, max_replicas=10, startup_s=20.0, interval_s=2.0, service_s=2.0)


def run(target: ReplicaTarget, rates: list[float], seed: int = 0) -> list[int]:
    """Replicas after each interval under Poisson arrivals of these rates."""
    rng, current, course = np.random.default_rng(seed), 0, []
    for i, rate in enumerate(rates):
        target.arrived(int(rng.poisson(rate * SETTINGS.interval_s)))
        current = target.decide(i * SETTINGS.interval_s, current).replicas
        course.append(current)
    return course


def test_enough_for_the_offered_work_but_not_twice_as_much() -> None:
    course = run(ReplicaTarget(SETTINGS), [10.0] * 100)
    assert 10.0 * 2.0 / 8 <= np.mean(course[50:]) <= 2 * 10.0 * 2.0 / 8


def test_from_zero_to_n_to_zero() -> None:
    course = run(ReplicaTarget(SETTINGS), [0.0] * 10 + [15.0] * 60 + [0.0] * 60)
    assert course[9] == 0
    assert max(course) >= 4
    assert course[-1] == 0


def test_to_zero_by_way_of_one() -> None:
    target, current, course = ReplicaTarget(SETTINGS), 4, []
    for i in range(60):
        current = target.decide(i * SETTINGS.interval_s, current).replicas
        course.append(current)
    assert sorted(set(course), reverse=True) == [4, 1, 0]
    assert course.count(1) == 1


@pytest.mark.parametrize("rate", [2.0, 7.9, 16.0])
def test_noise_does_not_start_and_stop_replicas(rate: float) -> None:
    course = run(ReplicaTarget(SETTINGS), [rate] * 600)[60:]
    changes = np.diff(course)
    assert np.count_nonzero(changes) <= 12, "of 540 intervals"
    held = round(SETTINGS.hold_s / SETTINGS.interval_s)
    for up in np.flatnonzero(changes > 0):
        assert (changes[up : up + held] >= 0).all(), "what was just started is kept"


def test_a_rise_is_answered_before_it_is_complete() -> None:
    rates = [1.0] * 30 + [1.0 + 0.5 * i for i in range(30)]
    foresighted, short = (
        ReplicaTarget(SETTINGS),
        ReplicaTarget(ScalingSettings(slots=8, max_replicas=10, startup_s=0.0, service_s=2.0)),
    )
    assert np.mean(run(foresighted, rates)[40:]) > np.mean(run(short, rates)[40:])


def test_misses_ask_for_more() -> None:
    calm, late = ReplicaTarget(SETTINGS), ReplicaTarget(SETTINGS)
    for target in (calm, late):
        target.arrived(10)
    late.missed(10)
    assert late.decide(0.0, 0).replicas > calm.decide(0.0, 0).replicas


def test_measured_service_times_replace_the_assumed_one() -> None:
    target = ReplicaTarget(SETTINGS)
    for _ in range(200):
        target.served(8.0)
    target.served(float("nan"))
    target.arrived(10)
    slow = target.decide(0.0, 0).replicas
    other = ReplicaTarget(SETTINGS)
    other.arrived(10)
    assert slow > other.decide(0.0, 0).replicas


def test_a_replica_dearer_than_the_misses_it_avoids_is_not_started() -> None:
    dear = ReplicaTarget(ScalingSettings(slots=8, max_replicas=10, service_s=2.0, usd_per_replica_s=1.0, usd_per_miss=0.001))
    dear.arrived(2)
    assert dear.decide(0.0, 0).replicas == 0


def test_every_decision_says_why_with_its_numbers() -> None:
    target = ReplicaTarget(SETTINGS)
    target.arrived(20)
    reason = target.decide(0.0, 1).reason
    assert "up from 1 to" in reason
    assert "arrivals/s" in reason
    assert "2.00 s in one of 8 slots" in reason


def test_a_clock_that_goes_back_changes_nothing() -> None:
    target = ReplicaTarget(SETTINGS)
    target.arrived(20)
    current = target.decide(100.0, 0).replicas
    target.arrived(1000)
    assert target.decide(50.0, current).replicas == current


@given(st.lists(st.tuples(st.integers(-5, 500), st.integers(-5, 500), st.floats(-3, 100)), max_size=40), st.integers(0, 3))
def test_the_bounds_are_kept(steps: list[tuple[int, int, float]], least: int) -> None:
    target = ReplicaTarget(ScalingSettings(slots=4, max_replicas=5, min_replicas=least))
    now, current = 0.0, least
    for arrived, missed, passed in steps:
        now += passed
        target.arrived(arrived)
        target.missed(missed)
        current = target.decide(now, current).replicas
        assert least <= current <= 5


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9), st.sampled_from([2.0, 2.0, 2.0, 3.0, 9.0, 70.0])), max_size=120),
    st.sets(st.integers(0, 119), max_size=3),
)
def test_whatever_comes_a_replica_that_was_started_stays(steps: list[tuple[int, int, float]], by_others: set[int]) -> None:
    """No flapping: between a rise, ours or somebody else's, and the next fall there is always the hold time."""
    target, now, current, raised_at = ReplicaTarget(SETTINGS), 0.0, 0, float("-inf")
    for i, (arrived, missed, passed) in enumerate(steps):
        now += passed
        if i in by_others:
            current, raised_at = min(current + 1, SETTINGS.max_replicas), now
        target.arrived(arrived)
        target.missed(missed)
        replicas = target.decide(now, current).replicas
        if replicas > current:
            raised_at = now
        elif replicas < current:
            assert now - raised_at >= SETTINGS.hold_s
        current = replicas


@given(st.floats(0.2, 30.0), st.integers(0, 99))
def test_under_a_steady_rate_replicas_change_rarely(rate: float, seed: int) -> None:
    """Ten minutes: after the first two, far fewer changes than hold times would allow."""
    changes = np.diff(run(ReplicaTarget(SETTINGS), [rate] * 300, seed)[60:])
    assert np.count_nonzero(changes) <= 8
    assert np.abs(changes).max() <= 2


def test_counters_say_the_same_as_single_events() -> None:
    by_events, by_counters = ReplicaTarget(SETTINGS), ReplicaTarget(SETTINGS)
    for _ in range(40):
        by_events.served(5.0)
    by_events.arrived(30)
    by_events.missed(2)
    by_counters.count(Demand(100, 7, 60, 90.0), Demand(130, 9, 100, 290.0))
    by_counters.count(Demand(130, 9, 100, 290.0), Demand(130, 9, 100, 290.0))
    assert by_counters.decide(0.0, 0) == by_events.decide(0.0, 0)


@pytest.mark.parametrize(
    "changes", [{"slots": 0}, {"max_replicas": 0}, {"min_replicas": 20}, {"startup_s": -1.0}, {"interval_s": 0.0}]
)
def test_impossible_settings_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        ScalingSettings(**{"slots": 8, "max_replicas": 10, **changes})
