"""Selection keeps limits whenever it can be done, and says why when it cannot."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.errors import InfeasibleSlo, InvalidRequest
from policies.forecast import Forecast
from policies.select import Preference, Selector
from policies.types import OnInfeasible, Path, Privacy, Slo

VALUES = st.one_of(st.just(math.nan), st.floats(0, 100, allow_nan=False))
LIMITS = st.one_of(st.none(), st.floats(0, 120, allow_nan=False))


def forecast(accuracy: list[float], latency: list[float], cost: list[float] | None = None) -> Forecast:
    a, s = np.array(accuracy), np.array(latency)
    c = np.array(cost) if cost is not None else np.full(len(a), math.nan)
    return Forecast(a, s, s, s, c, c, c, c)


def paths(number: int) -> list[Path]:
    return [Path("none", "none", "none", f"model{index}") for index in range(number)]


@st.composite
def situations(draw: st.DrawFn) -> tuple[Forecast, Slo, list[bool], Preference]:
    number = draw(st.integers(1, 8))
    row = st.lists(VALUES, min_size=number, max_size=number)
    columns = [np.array(draw(row)) for _ in range(7)]
    accuracy = np.array(draw(st.lists(st.one_of(st.just(math.nan), st.floats(0, 1)), min_size=number, max_size=number)))
    edge = draw(st.lists(st.booleans(), min_size=number, max_size=number))
    slo = Slo(
        max_latency_s=draw(LIMITS),
        max_ttft_s=draw(LIMITS),
        max_cost_usd=draw(LIMITS),
        max_energy_j=draw(LIMITS),
        min_accuracy=draw(st.one_of(st.none(), st.floats(0, 1))),
        privacy=draw(st.sampled_from(Privacy)),
        on_infeasible=draw(st.sampled_from(OnInfeasible)),
    )
    preference = Preference("cost_usd", draw(st.sampled_from([0.0, 0.5])), draw(st.sampled_from([0.0, 0.1])))
    return Forecast(accuracy, *columns), slo, edge, preference


def keeps(expected: Forecast, slo: Slo, edge: list[bool], index: int) -> bool:
    """Written apart from the code under test, one path at a time."""
    below = (
        (slo.max_latency_s, expected.latency_p90_s),
        (slo.max_ttft_s, expected.ttft_p90_s),
        (slo.max_cost_usd, expected.cost_p90_usd),
        (slo.max_energy_j, expected.energy_p90_j),
    )
    if slo.privacy is Privacy.EDGE and not edge[index]:
        return False
    if slo.min_accuracy is not None and not expected.accuracy[index] >= slo.min_accuracy:
        return False
    return all(limit is None or values[index] <= limit for limit, values in below)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(situations())
def test_no_limit_is_broken_while_a_path_keeps_them_all(situation: tuple[Forecast, Slo, list[bool], Preference]) -> None:
    expected, slo, edge, preference = situation
    names = paths(len(edge))
    feasible = [keeps(expected, slo, edge, index) for index in range(len(edge))]
    selector = Selector(names, edge)
    if not any(feasible) and (slo.on_infeasible is OnInfeasible.REJECT or (slo.privacy is Privacy.EDGE and not any(edge))):
        with pytest.raises(InfeasibleSlo):
            selector.select(expected, slo, preference)
        return
    decision = selector.select(expected, slo, preference)
    assert decision.feasible == any(feasible)
    if any(feasible):
        assert all(feasible[names.index(path)] for path in (decision.path, *decision.fallbacks))
    if slo.privacy is Privacy.EDGE:
        assert edge[names.index(decision.path)]
    assert set(decision.dropped) == {path.name for path, kept in zip(names, feasible, strict=True) if not kept}
    assert all(decision.dropped.values())


@given(st.lists(st.tuples(st.one_of(st.just(math.nan), st.floats(0, 1)), VALUES), min_size=1, max_size=8))
def test_the_most_accurate_is_taken_and_the_cheapest_among_equals(rows: list[tuple[float, float]]) -> None:
    """What is unknown comes last on either axis."""
    expected = forecast([accuracy for accuracy, _ in rows], [latency for _, latency in rows])
    chosen = Selector(paths(len(rows)), [True] * len(rows)).select(expected, Slo()).path
    ranks = [(-1.0 if math.isnan(a) else a, -math.inf if math.isnan(s) else -s) for a, s in rows]
    assert ranks[int(chosen.generate.removeprefix("model"))] == max(ranks)


@pytest.mark.filterwarnings("error")
def test_a_limit_beyond_what_32_bits_hold_is_kept() -> None:
    single = np.array([1.0, 2.0], dtype=np.float32)
    expected = Forecast(single / 4, *[single] * 7)
    assert Selector(paths(2), [True, True]).select(expected, Slo(max_latency_s=1e300)).path.generate == "model1"


def test_ties_within_the_band_go_to_the_cheaper_axis() -> None:
    expected = forecast([0.90, 0.91, 0.80], [1.0, 5.0, 0.1])
    assert Selector(paths(3), [True] * 3).select(expected, Slo(), Preference("latency_s")).path.generate == "model1"
    assert Selector(paths(3), [True] * 3).select(expected, Slo(), Preference("latency_s", band=0.02)).path.generate == "model0"


def test_a_price_trades_accuracy_for_the_axis() -> None:
    expected = forecast([0.90, 0.91], [1.0, 5.0])
    decision = Selector(paths(2), [True, True]).select(expected, Slo(), Preference("latency_s", price=0.01))
    assert decision.path.generate == "model0"
    assert [path.generate for path in decision.fallbacks] == ["model1"]


def test_reject_names_the_limit_and_the_best_that_can_be_had() -> None:
    selector = Selector(paths(2), [True, False])
    with pytest.raises(InfeasibleSlo, match=r"No path keeps max_latency_s 0.5: the best that can be expected is 1;") as caught:
        selector.select(forecast([0.5, 0.9], [1.0, 2.0]), Slo(max_latency_s=0.5, on_infeasible=OnInfeasible.REJECT))
    assert caught.value.param == "slo.max_latency_s"


def test_best_effort_takes_the_least_violation_and_says_so() -> None:
    decision = Selector(paths(2), [True, True]).select(forecast([0.5, 0.9], [1.0, 2.0]), Slo(max_latency_s=0.5))
    assert decision.path.generate == "model0"
    assert not decision.feasible
    assert "max_latency_s" in decision.reason


def test_cheapest_falls_back_to_latency_where_no_cost_was_measured() -> None:
    slo = Slo(min_accuracy=1.0, on_infeasible=OnInfeasible.CHEAPEST)
    assert Selector(paths(2), [True, True]).select(forecast([0.5, 0.9], [1.0, 2.0]), slo).path.generate == "model0"
    priced = forecast([0.5, 0.9], [1.0, 2.0], [3.0, 2.0])
    assert Selector(paths(2), [True, True]).select(priced, slo).path.generate == "model1"


@pytest.mark.parametrize("bound", [-1.0, math.nan])
def test_a_limit_that_is_none_is_refused(bound: float) -> None:
    with pytest.raises(InvalidRequest, match="max_cost_usd"):
        Selector(paths(1), [True]).select(forecast([0.5], [1.0]), Slo(max_cost_usd=bound))


def test_a_limit_of_zero_is_kept_by_what_is_free() -> None:
    free = forecast([0.5, 0.9], [1.0, 2.0], [0.0, 1.0])
    assert Selector(paths(2), [True, True]).select(free, Slo(max_cost_usd=0.0)).path.generate == "model0"
