"""Routing is taken for accuracy alone only where the profile proves it, and savings that cost no accuracy are found."""

from __future__ import annotations

import numpy as np
import pytest

from policies.costs import fit_levels, logarithms
from policies.measured import Measured
from policies.operate import Replay, fair_price, operating_points, prices

ROWS = 200
EASY = np.arange(ROWS) % 2 == 0
ACCURACY = np.stack([EASY, np.ones(ROWS)], axis=1).astype(float)
COST = np.tile([1.0, 10.0], (ROWS, 1))


def replay(predicted: np.ndarray, accuracy: np.ndarray = ACCURACY) -> Replay:
    return Replay.of(Measured(accuracy, COST), Measured(predicted, COST), np.ones(len(accuracy)))


def test_routing_that_gains_nothing_is_not_taken_for_accuracy_alone() -> None:
    ways = operating_points(replay(ACCURACY), ACCURACY.mean(axis=0), COST.mean(axis=0), prices(10.0), 2)
    assert (ways[0].price, ways[0].single) == (0.0, 1)
    assert {way.single for way in ways} == {None, 0, 1}


def test_routing_that_proves_itself_is_taken() -> None:
    either = np.stack([EASY, ~EASY], axis=1).astype(float)
    ways = operating_points(replay(either, either), np.array([0.5, 0.5]), COST.mean(axis=0), prices(10.0), 2)
    assert ways[0].single is None


def test_a_fair_price_saves_without_losing_accuracy() -> None:
    means, costs = ACCURACY.mean(axis=0), COST.mean(axis=0)
    price = fair_price(replay(ACCURACY), means, costs)
    assert 0 < price < 1 / 9
    noise = np.random.default_rng(0).random(ACCURACY.shape)
    assert fair_price(replay(noise), means, costs) is None


def test_one_answer_that_ran_away_moves_the_level_less_than_the_mean() -> None:
    rng = np.random.default_rng(0)
    values = rng.lognormal(0.0, 0.5, size=(300, 12))
    values[7, 3] = 10_000.0
    levels = fit_levels(values, logarithms(values).mean(axis=0), np.zeros(values.shape), np.ones(300))
    assert levels.means[3] > 30
    assert levels.level[3] < levels.means[3] / 4


def test_one_answer_that_ran_away_among_few_hardly_moves_the_level() -> None:
    """The other paths say how much factors differ, and they are much surer of it."""
    values = np.random.default_rng(0).lognormal(0.0, 0.5, size=(40, 50))
    values[12:, 3] = np.nan
    values[0, 3] = 10_000.0
    logs = np.nanmean(logarithms(values), axis=0)
    levels = fit_levels(values, logs, np.zeros(values.shape), np.ones(40))
    others = levels.level / np.exp(logs)
    assert others[3] < 1.3 * np.delete(others, 3).mean()


def test_a_path_that_is_free_stays_free() -> None:
    values = np.stack([np.zeros(50), np.linspace(1, 2, 50)], axis=1)
    logs = np.array([0.0, float(logarithms(values)[:, 1].mean())])
    levels = fit_levels(values, logs, np.zeros(values.shape), np.ones(50))
    assert levels.level[0] == 0
    assert levels.level[1] == pytest.approx(1.5, rel=0.01)
