"""How far predictions are stretched: as far as left-out ones should have gone, and not by chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.calibrate import calibrated
from policies.complete import Completed
from policies.shape import TRAITS
from policies.sight import fit_sight
from policies.surface import Fit, fit_surface

QUERIES, PATHS = 60, 4
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(QUERIES, 8))
ALL = np.ones((QUERIES, PATHS), dtype=np.bool_)
ONCE = np.ones(QUERIES)


def completed(residuals: np.ndarray, observed: np.ndarray = ALL) -> Completed:
    return Completed(np.zeros(PATHS), residuals, observed)


def fitted() -> Fit:
    traits = RNG.normal(size=(QUERIES, TRAITS))
    return fit_surface(fit_sight(VECTORS, traits).see(VECTORS, traits), completed(VECTORS[:, :PATHS]), ONCE, PATHS)


FIT = fitted()


def factor(residuals: np.ndarray, observed: np.ndarray = ALL) -> float:
    found = calibrated(FIT, completed(residuals, observed), ONCE)
    factors = found.left_out[FIT.left_out != 0] / FIT.left_out[FIT.left_out != 0]
    assert np.ptp(factors) < 1e-9
    assert found.surface.basis == pytest.approx(factors[0] * FIT.surface.basis)
    return float(factors[0])


@pytest.mark.parametrize("slope", [0.5, 2.0, 3.0])
def test_predictions_go_as_far_as_they_should_have_gone(slope: float) -> None:
    noise = 0.05 * np.random.default_rng(1).normal(size=(QUERIES, PATHS))
    assert factor(slope * FIT.left_out + noise) == pytest.approx(slope, rel=0.1)


def test_a_slope_that_may_be_chance_is_none() -> None:
    noise = 2.0 * np.random.default_rng(2).normal(size=(QUERIES, PATHS))
    noise -= FIT.left_out * (noise * FIT.left_out).sum() / (FIT.left_out**2).sum()  # so that the slope is what is written here
    assert factor(1.2 * FIT.left_out + noise) == 1.0


def test_cells_that_were_not_measured_say_nothing() -> None:
    residuals = 2.0 * FIT.left_out
    residuals[::2] = -50.0
    assert factor(residuals, np.tile((np.arange(QUERIES) % 2 == 1)[:, None], PATHS)) == pytest.approx(2.0)


def test_a_fit_that_predicts_nothing_is_left_alone() -> None:
    nothing = replace(FIT, left_out=np.zeros((QUERIES, PATHS)))
    assert calibrated(nothing, completed(FIT.left_out), ONCE) is nothing


@given(st.floats(-100, 100), st.integers(0, 1000))
def test_whatever_was_measured_the_factor_is_moderate(slope: float, seed: int) -> None:
    residuals = slope * FIT.left_out + np.random.default_rng(seed).normal(size=(QUERIES, PATHS))
    found = calibrated(FIT, completed(residuals), ONCE)
    assert (np.abs(found.left_out) <= 4 * np.abs(FIT.left_out) + 1e-12).all()
    assert (found.left_out * FIT.left_out >= 0).all()
