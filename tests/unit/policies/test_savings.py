"""The price of a caller who names none: savings, but none that costs accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from policies.measured import Measured
from policies.operate import Replay
from policies.savings import SAFE, safe_price

ROWS = 300
SECONDS = np.tile([0.1, 1.0], (ROWS, 1))


def replay(accuracy: np.ndarray, foretold: np.ndarray) -> Replay:
    return Replay.of(
        Measured(accuracy, SECONDS[: len(accuracy)]), Measured(foretold, SECONDS[: len(accuracy)]), np.ones(len(accuracy))
    )


def test_time_is_saved_where_the_quick_path_is_foretold_to_do_as_well() -> None:
    rng = np.random.default_rng(0)
    easy = rng.random(ROWS) < 0.6
    accuracy = np.stack([rng.random(ROWS) < np.where(easy, 0.95, 0.2), rng.random(ROWS) < 0.9], axis=1).astype(float)
    foretold = np.stack([np.where(easy, 0.95, 0.2), np.full(ROWS, 0.9)], axis=1)
    known = replay(accuracy, foretold)
    price = safe_price(known, accuracy.mean(axis=0), np.array([0.1, 1.0]))
    assert price > 0
    chosen = known.profiled.choose(known.left_out.accuracy - price * known.left_out.objective)
    assert accuracy[np.arange(ROWS), chosen].mean() >= accuracy[:, 1].mean()
    assert SECONDS[np.arange(ROWS), chosen].mean() < 0.6


@pytest.mark.parametrize("seed", range(3))
def test_without_signal_nothing_is_saved(seed: int) -> None:
    rng = np.random.default_rng(seed)
    accuracy = np.stack([rng.random(ROWS) < 0.5, rng.random(ROWS) < 0.8], axis=1).astype(float)
    assert safe_price(replay(accuracy, rng.random((ROWS, 2))), accuracy.mean(axis=0), np.array([0.1, 1.0])) == 0.0


CELLS = arrays(np.float64, (12, 2), elements=st.floats(0, 1) | st.just(float("nan")))


@given(CELLS, arrays(np.float64, (12, 2), elements=st.floats(0, 1)))
def test_at_the_price_routing_leads(accuracy: np.ndarray, foretold: np.ndarray) -> None:
    known, means = replay(accuracy, foretold), np.array([0.4, 0.6])
    price = safe_price(known, means, np.array([0.1, 1.0]))
    gain, error = known.gain(price, 1, means)
    assert price == 0 or gain >= SAFE * error
