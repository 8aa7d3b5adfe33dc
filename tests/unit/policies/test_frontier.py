"""A frontier holds every point below it, and an ε-band keeps what noise could have beaten."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.critical import losses
from policies.frontier import frontier, height, least_objective, mean_height, pareto

FloatArray = npt.NDArray[np.float64]
SHARE = st.integers(0, 20).map(lambda value: value / 20)
POINTS = st.lists(st.tuples(st.integers(0, 50).map(float), SHARE), min_size=1, max_size=12)
OPTIONS = [(retrieve, model) for retrieve in ("none", "bm25") for model in ("small", "large")]


@given(POINTS)
def test_no_point_is_above_the_frontier_and_its_slope_falls(points: list[tuple[float, float]]) -> None:
    hull = frontier(points)
    assert {tuple(corner) for corner in hull.tolist()} <= set(points)
    assert all(height(hull, x) >= y - 1e-9 for x, y in points)
    slopes = np.diff(hull[:, 1]) / np.diff(hull[:, 0])
    assert (slopes > 0).all()
    assert (np.diff(slopes) <= 1e-9).all()


@given(POINTS, SHARE)
def test_the_least_objective_reaches_the_accuracy(points: list[tuple[float, float]], accuracy: float) -> None:
    hull = frontier(points)
    least = least_objective(hull, accuracy)
    if least is None:
        assert max(y for _, y in points) < accuracy
    else:
        assert height(hull, least) >= accuracy - 1e-9
        assert all(x >= least - 1e-9 for x, y in points if y >= accuracy)


@given(POINTS, POINTS)
def test_more_points_never_lower_the_mean_height(some: list[tuple[float, float]], more: list[tuple[float, float]]) -> None:
    assert mean_height(frontier(some + more), 5.0, 40.0) >= mean_height(frontier(some), 5.0, 40.0) - 1e-9


@given(st.lists(st.tuples(SHARE, SHARE, SHARE), min_size=1, max_size=10), st.sampled_from([0.0, 0.1]))
def test_a_path_falls_only_to_one_that_is_no_worse_and_better_by_the_band(rows: list[tuple[float, ...]], band: float) -> None:
    accuracy, *costs = np.array(rows).T
    kept = pareto(accuracy, np.array(costs), band, band)
    assert kept.any()
    for path, (mine, *takes) in enumerate(rows):
        beaten = any(
            other >= mine
            and all(a <= b for a, b in zip(others, takes, strict=True))
            and (other > mine + band or any(a < b * (1 - band) for a, b in zip(others, takes, strict=True)))
            for other, *others in rows
        )
        assert kept[path] == (not beaten)


def test_what_is_unknown_stays() -> None:
    nan = float("nan")
    kept = pareto(np.array([0.9, nan, 0.5, 0.4]), np.array([[1.0, 9.0, nan, 2.0]]))
    np.testing.assert_array_equal(kept, [True, True, False, False])


@given(st.lists(st.one_of(st.just(float("nan")), SHARE), min_size=4, max_size=4))
def test_forbidding_an_option_costs_what_is_lost_without_it(accuracy: list[float]) -> None:
    """Written apart from the code under test: forbid each stage's best option and look again."""
    found = losses(np.array(accuracy), OPTIONS)
    known = {options: value for options, value in zip(OPTIONS, accuracy, strict=True) if value == value}
    for stage in range(2):
        best = max(known.values(), default=0.0)
        names = {options[stage] for options, value in known.items() if value == best}
        without = [value for options, value in known.items() if options[stage] not in list(names)[:1]]
        expected = best - max(without) if without else 0.0
        assert found[stage] == pytest.approx(0.0 if len(names) > 1 else expected)
