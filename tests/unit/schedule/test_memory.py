"""Means that fade."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.schedule.memory import Discounted, Memory, Plain, Sliding

ROW = np.zeros(1, dtype=np.int64)


def mean(memory: Memory, now: float) -> float:
    return float(memory.mean(0.0, 1e-9, ROW, now)[0, 0])


@pytest.mark.parametrize("make", [lambda: Discounted(1, 1, 10.0), lambda: Sliding(1, 1, 20.0)], ids=["discounted", "sliding"])
def test_drift_is_followed_where_the_plain_mean_stays_behind(make) -> None:
    fading, plain = make(), Plain(1, 1)
    for now in range(200):
        for memory in (fading, plain):
            memory.add(0, 0, 0.0 if now < 150 else 1.0, float(now))
    assert mean(fading, 200.0) > 0.95
    assert mean(plain, 200.0) == pytest.approx(0.25)


def test_a_value_counts_half_after_a_half_life_and_the_prior_wins_in_the_end() -> None:
    memory = Discounted(1, 1, 10.0)
    memory.add(0, 0, 8.0, 0.0)
    assert memory.count(ROW, 10.0)[0, 0] == pytest.approx(0.5)
    assert memory.mean(2.0, 0.5, ROW, 10.0)[0, 0] == pytest.approx(5.0)
    assert memory.mean(2.0, 1.0, ROW, 1e6)[0, 0] == pytest.approx(2.0)


def test_the_window_forgets_exactly() -> None:
    memory = Sliding(1, 1, 5.0)
    memory.add(0, 0, 0.1, 0.0)
    memory.add(0, 0, 0.7, 4.0)
    assert mean(memory, 5.0) == pytest.approx(0.7)
    assert memory.count(ROW, 9.0)[0, 0] == 0
    assert memory.mean(0.3, 1.0, ROW, 9.0)[0, 0] == 0.3


@given(st.lists(st.tuples(st.floats(-100, 1e5), st.floats(-10, 10), st.floats(0.1, 5)), min_size=1, max_size=60))
def test_a_mean_lies_between_its_values_whatever_the_clock_does(entries: list[tuple[float, float, float]]) -> None:
    for memory in (Plain(1, 1), Discounted(1, 1, 7.0), Sliding(1, 1, 30.0)):
        now = 0.0
        for passed, value, weight in entries:
            now += passed
            memory.add(0, 0, value, now, weight)
        values = [value for _, value, _ in entries]
        got = float(memory.mean(values[-1], 1e-6, ROW, now)[0, 0])
        assert min(values) - 1e-6 <= got <= max(values) + 1e-6


def test_columns_grow_and_are_forgotten() -> None:
    memory = Discounted(1, 1, 10.0)
    memory.add(0, 0, 1.0, 0.0)
    memory.grow(3)
    memory.add(0, 2, 5.0, 0.0)
    memory.forget(0)
    assert memory.mean(0.0, 1e-9, ROW, 0.0)[0] == pytest.approx([0.0, 0.0, 5.0])


@pytest.mark.parametrize(
    "make",
    [lambda: Plain(1, 2), lambda: Discounted(1, 2, 10.0), lambda: Sliding(1, 2, 20.0)],
    ids=["plain", "discounted", "sliding"],
)
def test_what_one_memory_holds_another_can_take_over(make) -> None:
    memory, other = make(), make()
    for second, value in enumerate((1.0, 2.0, 4.0)):
        memory.add(0, 1, value, second, weight=2.0)
    other.add(0, 0, 9.0, 500.0)
    other.restore(memory.totals(3.0), 1000.0)
    rows = slice(0, 1)
    assert other.mean(0.5, 3.0, rows, 1000.0) == pytest.approx(memory.mean(0.5, 3.0, rows, 3.0))
    assert other.count(rows, 1000.0) == pytest.approx(memory.count(rows, 3.0))
    if not isinstance(other, Plain):
        assert other.count(rows, 2000.0) == pytest.approx(0.0, abs=1e-9)
