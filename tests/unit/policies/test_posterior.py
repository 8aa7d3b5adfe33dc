"""What feedback and measurements may move, and how far."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.posterior import (
    CLIENT_SCORES,
    CLIENTS,
    MAX_RATIO,
    PRIOR_RATIOS,
    PRIOR_SCORES,
    PathPosterior,
    RatioMean,
    ScoreShift,
)

BOUND = CLIENT_SCORES / PRIOR_SCORES
anything = st.floats(allow_nan=True, allow_infinity=True)
shares = st.floats(0, 1)
words = st.lists(st.tuples(st.sampled_from("abcdef"), shares, shares), max_size=60)


def shifted(scores: list[tuple[str, float, float]]) -> ScoreShift:
    shift = ScoreShift()
    for client, score, predicted in scores:
        shift.add(client, score, predicted)
    return shift


@given(words, st.lists(st.tuples(anything, anything), max_size=200), st.data())
def test_one_client_moves_the_shift_by_a_fifth_at_most(honest, poison, data) -> None:
    """Whatever it sends, as often as it likes, in between everybody else's."""
    mixed = list(honest)
    for score, predicted in poison:
        mixed.insert(data.draw(st.integers(0, len(mixed))), ("mallory", score, predicted))
    assert abs(shifted(mixed).value - shifted(honest).value) <= BOUND + 1e-12


@given(words)
def test_the_shift_is_within_what_was_said(scores) -> None:
    said = [min(max(score - predicted, -1.0), 1.0) for _, score, predicted in scores]
    assert min([0.0, *said]) - 1e-9 <= shifted(scores).value <= max([0.0, *said]) + 1e-9


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan, math.inf, -math.inf])
def test_a_score_out_of_range_is_not_taken(score: float) -> None:
    shift = ScoreShift()
    assert not shift.add("a", score, 0.5)
    assert shift.value == 0.0


def test_many_clients_are_believed() -> None:
    scores = [(f"client {number}", 0.2, 0.9) for number in range(200)]
    assert shifted(scores).value == pytest.approx(-0.7, abs=0.08)


def test_the_latest_words_of_a_client_count() -> None:
    scores = [("a", 0.0, 0.5)] * 50 + [("a", 1.0, 0.5)] * 20
    assert shifted(scores).value > 0


def test_the_longest_silent_client_is_forgotten_first() -> None:
    shift = shifted([(str(number), 1.0, 0.0) for number in range(CLIENTS + 5)])
    assert len(shift.dump()) == CLIENTS
    assert "0" not in shift.dump()


@given(st.lists(st.tuples(anything, anything), max_size=60))
def test_a_ratio_stays_within_its_bounds_and_one_outcome_moves_it_little(pairs) -> None:
    ratio = RatioMean()
    for measured, predicted in pairs:
        before = ratio.value
        ratio.add(measured, predicted)
        assert abs(ratio.value - before) <= MAX_RATIO / (PRIOR_RATIOS + 1)
        assert 0 <= ratio.value <= MAX_RATIO


def test_a_ratio_finds_what_is_true_and_follows_a_change() -> None:
    ratio = RatioMean()
    for _ in range(500):
        ratio.add(3.0, 1.0)
    assert ratio.value == pytest.approx(2.67, abs=0.1)  # fifty measurements against ten of the profile
    for _ in range(200):
        ratio.add(1.0, 1.0)
    assert ratio.value == pytest.approx(1.0, abs=0.1)


@given(words, st.lists(st.tuples(st.floats(0, 100), st.floats(0.01, 100)), max_size=20))
def test_a_posterior_survives_a_restart(scores, pairs) -> None:
    posterior = PathPosterior()
    for client, score, predicted in scores:
        posterior.score.add(client, score, predicted)
    for measured, predicted in pairs:
        posterior.latency.add(measured, predicted)
    assert PathPosterior.load(posterior.dump()).correction == posterior.correction


def test_a_path_that_is_always_far_slower_than_predicted_survives_a_restart() -> None:
    """Sum and weight are rounded apart; a sum a hair above its bound is no damage."""
    posterior = PathPosterior()
    for _ in range(2000):
        posterior.latency.add(1000.0, 1.0)
        assert PathPosterior.load(posterior.dump()).correction == posterior.correction


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"scores": {"a": [99.0, 0.0]}, "latency": [0, 0], "cost": [0, 0], "energy": [0, 0]},
        {"scores": {"a": [1.0, math.nan]}, "latency": [0, 0], "cost": [0, 0], "energy": [0, 0]},
        {"scores": {}, "latency": [1.0, math.inf], "cost": [0, 0], "energy": [0, 0]},
        {"scores": {}, "latency": [500.0, 1.0], "cost": [0, 0], "energy": [0, 0]},
    ],
)
def test_what_is_no_dump_is_refused(known) -> None:
    with pytest.raises((ValueError, KeyError)):
        PathPosterior.load(known)
