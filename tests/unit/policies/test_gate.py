"""When it pays to go on from a cheap answer: learnt from what was shown, proven on what was left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from policies.gate import Foresight, Gate, Trials, fit_gate
from policies.signals import SIGNALS

HURDLE = 0.01
LEAST = SIGNALS.index("least_logprob")


def trials(seed: int, tells: bool, queries: int = 500) -> Trials:
    """Three cells a query. The first path is right where it is sure, if `tells`; the other one in two of three cases."""
    rng = np.random.default_rng(seed)
    query = np.repeat(np.arange(queries), 3)
    sure = rng.uniform(0.05, 1.0, len(query))
    expected = rng.uniform(0.4, 0.8, len(query))
    first = rng.random(len(query)) < (sure if tells else expected)
    then = rng.random(len(query)) < 0.66
    shown = np.full((len(query), len(SIGNALS)), np.nan)
    shown[:, LEAST] = np.log(sure)
    return Trials(shown, expected, 0.66 - expected, then - first.astype(float), np.full(len(query), HURDLE), query)


@pytest.mark.parametrize("seed", range(3))
def test_a_signal_that_tells_is_worth_more_than_any_fixed_choice(seed: int) -> None:
    gate = fit_gate(trials(seed, tells=True))
    assert gate is not None
    new = trials(seed + 100, tells=True)
    goes = gate.gain(new.shown, new.first, new.ahead) > HURDLE
    assert (goes * new.gained).mean() > max(0.0, new.gained.mean(), ((new.ahead > HURDLE) * new.gained).mean()) + 0.02


@pytest.mark.parametrize("seed", range(3))
def test_what_is_foreseen_comes_true(seed: int) -> None:
    gate = fit_gate(trials(seed, tells=True))
    assert gate is not None
    new = trials(seed + 100, tells=True)
    goes = gate.gain(new.shown, new.first, new.ahead) > new.hurdle
    uplift, share = Foresight([gate]).expect(new.first, new.ahead, new.hurdle)
    assert share.mean() == pytest.approx(goes.mean(), abs=0.06)
    assert uplift.mean() == pytest.approx((goes * new.gained).mean(), abs=0.06)


def test_signals_that_tell_nothing_make_no_gate() -> None:
    made = [fit_gate(trials(seed, tells=False)) is not None for seed in range(20)]
    assert sum(made) <= 2  # one in forty by chance


def test_few_queries_prove_nothing() -> None:
    assert fit_gate(trials(0, tells=True, queries=9)) is None


def test_what_was_not_shown_is_as_expected() -> None:
    gate = fit_gate(trials(0, tells=True))
    assert gate is not None
    ahead = np.array([-0.3, 0.0, 0.4])
    assert gate.gain(np.full((3, len(SIGNALS)), np.nan), np.array([0.5, 0.6, 0.7]), ahead) == pytest.approx(ahead)


def test_signals_tell_little_of_what_was_all_but_sure() -> None:
    gate = fit_gate(trials(0, tells=True))
    assert gate is not None
    unsure, sure = np.full((2, len(SIGNALS)), np.nan), np.array([0.5, 0.99])
    unsure[:, LEAST] = np.log(0.05)
    moved = gate.gain(unsure, sure, np.zeros(2))
    assert moved[0] > 2 * moved[1] > 0


NUMBERS = st.floats(-50, 50) | st.just(float("nan"))


@settings(deadline=None)
@given(st.data(), st.integers(1, 40))
def test_any_trials_give_finite_gains_or_no_gate(data: st.DataObject, rows: int) -> None:
    shown = data.draw(arrays(np.float64, (rows, len(SIGNALS)), elements=NUMBERS))
    shown[:, 2:4] = -np.abs(shown[:, 2:4])
    shown[:, 4] = np.abs(shown[:, 4])
    unit = arrays(np.float64, rows, elements=st.floats(-1, 1))
    query = data.draw(arrays(np.intp, rows, elements=st.integers(0, 20)))
    first = data.draw(arrays(np.float64, rows, elements=st.floats(-0.2, 1.2)))
    made = fit_gate(Trials(shown, first, data.draw(unit), data.draw(unit), np.zeros(rows), query))
    if made is not None:
        assert np.isfinite(made.gain(shown, first, np.zeros(rows))).all()


@given(arrays(np.float64, 8, elements=st.floats(-1, 1)), st.floats(-0.2, 1.2), st.floats(-1, 1), st.floats(0, 1))
def test_a_gate_is_never_foreseen_to_lose(surprises: np.ndarray, first: float, ahead: float, hurdle: float) -> None:
    none = np.zeros(len(SIGNALS))
    gate = Gate(np.zeros((3, len(SIGNALS))), none + 1, none, np.sort(surprises))
    uplift, share = Foresight([gate]).expect(np.array([first]), np.array([ahead]), np.array([hurdle]))
    openness = max(4 * first * (1 - first), 0.1) if 0 <= first <= 1 else 0.1
    gains = ahead + openness * np.sort(surprises).astype(np.float32)
    likely = np.abs(gains - hurdle) > 1e-6  # others may fall on either side
    assert (gains[likely] > hurdle).sum() <= 8 * share[0] <= (gains[likely] > hurdle).sum() + (~likely).sum()
    sure, perhaps = gains[likely & (gains > hurdle)].sum() / 8, gains[~likely].sum() / 8
    assert sure - 1e-5 <= uplift[0] <= sure + perhaps + 1e-5
    assert uplift[0] >= hurdle * share[0] - 1e-6
