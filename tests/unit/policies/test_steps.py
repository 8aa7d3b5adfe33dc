"""Adaptive paths as candidates, and the decision between their parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from policies.adaptive import Adaptive, Shown, fit_adaptive
from policies.forecast import Forecast
from policies.gate import Gate
from policies.predict import fit_predictor
from policies.select import Preference
from policies.signals import SIGNALS, Signals
from policies.steps import Spent, Steps
from policies.types import Path, Profile, Slo

SMALL, LARGE = (Path("none", "bm25@1", "none", name) for name in ("small", "large"))
PREFERENCE = Preference("latency_s", band=0.01)
NONE, NO_TREND = np.zeros(len(SIGNALS)), np.zeros((3, len(SIGNALS)))
SURE = Gate(NO_TREND, NONE + 1, -np.eye(len(SIGNALS))[3], np.linspace(-0.5, 0.5, 11))
"""After an answer whose least sure token has probability p, going on is expected to gain less by up to p."""


def forecast(small: float, large: float, seconds: tuple[float, float] = (0.1, 1.0)) -> Forecast:
    accuracy, latency = np.array([small, large]), np.array(seconds)
    cost, energy = np.array([0.0, 0.01]), np.array([1.0, 10.0])
    return Forecast(accuracy, latency, 2 * latency, 2 * latency, cost, cost, energy, energy)


def steps(preference: Preference = PREFERENCE) -> Steps:
    return Steps([Adaptive(0, 1, SURE)], preference)


def test_an_adaptive_path_takes_the_second_part_as_often_as_it_pays() -> None:
    found = steps().extend(forecast(0.6, 0.7))
    gains = 0.1 + 4 * 0.6 * 0.4 * SURE.surprises
    goes = gains > 0.01
    assert found.accuracy[2] == pytest.approx(0.6 + (gains * goes).mean())
    assert found.latency_s[2] == pytest.approx(0.1 + goes.mean())
    assert found.cost_usd[2] == pytest.approx(0.01 * goes.mean())
    assert found.latency_p90_s[2] == pytest.approx(2.2)  # both parts may be needed
    assert found.accuracy[:2].tolist() == [0.6, 0.7]


def test_a_price_makes_it_go_on_less_often() -> None:
    dear = steps(Preference("latency_s", price=0.3, band=0.01)).extend(forecast(0.6, 0.7))
    assert dear.latency_s[2] < steps().extend(forecast(0.6, 0.7)).latency_s[2]


@given(st.floats(0, 1), st.floats(0, 1), arrays(np.float64, 16, elements=st.floats(-1, 1)))
def test_it_is_expected_to_be_no_worse_than_its_first_part(small: float, large: float, surprises: np.ndarray) -> None:
    gate = Gate(NO_TREND, NONE + 1, NONE, surprises)
    found = Steps([Adaptive(0, 1, gate)], PREFERENCE).extend(forecast(small, large))
    assert found.accuracy[2] >= small - 1e-6
    assert 0.1 - 1e-6 <= found.latency_s[2] <= 1.1 + 1e-6


def test_without_adaptive_paths_a_forecast_is_left_alone() -> None:
    expected = forecast(0.6, 0.7)
    assert Steps([], PREFERENCE).extend(expected) is expected


def shown(probability: float) -> Signals:
    return Signals(least_logprob=float(np.log(probability)), mean_logprob=-0.1, tokens=5)


def test_a_sure_answer_stands_and_an_unsure_one_goes_on() -> None:
    expected = forecast(0.5, 0.9)
    assert steps().step(0, expected, shown(0.2), Slo(), Spent()).goes_on
    stays = steps().step(0, expected, shown(0.95), Slo(), Spent())
    assert not stays.goes_on
    assert "-0.550 of accuracy is expected" in stays.why


@pytest.mark.parametrize(
    ("slo", "spent"),
    [
        (Slo(max_latency_s=1.9), Spent()),
        (Slo(max_ttft_s=1.9), Spent()),
        (Slo(max_cost_usd=0.011), Spent(cost_usd=0.002)),
        (Slo(max_energy_j=11.0), Spent(energy_j=1.5)),
    ],
)
def test_it_does_not_go_on_beyond_a_limit(slo: Slo, spent: Spent) -> None:
    (name,) = [name for name in ("max_latency_s", "max_ttft_s", "max_cost_usd", "max_energy_j") if getattr(slo, name)]
    stays = steps().step(0, forecast(0.5, 0.9), shown(0.1), slo, spent)
    assert not stays.goes_on
    assert name in stays.why
    assert steps().step(0, forecast(0.5, 0.9), shown(0.1), Slo(100, 100, 1, None, 100), spent).goes_on


def profile(seed: int, tells: bool, queries: int = 200) -> tuple[Profile, np.ndarray, np.ndarray]:
    """The small model is right in half of all cases, the large one in two thirds; both read what one search found."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(queries, 8))
    sure = rng.uniform(0.02, 0.98, queries)
    right = np.stack([rng.random(queries) < (sure if tells else 0.5), rng.random(queries) < 0.66], axis=1).astype(float)
    seconds = np.tile([0.1, 1.0], (queries, 1))
    signals = np.full((queries, 2, len(SIGNALS)), np.nan)
    signals[:, 0, SIGNALS.index("least_logprob")] = np.log(sure)
    names = tuple(f"question {row}" for row in range(queries))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Profile(names, names, (SMALL.name, LARGE.name), right, seconds, seconds / 100, seconds * 10), unit, signals


@pytest.mark.parametrize(("tells", "made"), [(True, 1), (False, 0)])
def test_a_pair_takes_part_only_if_its_signals_tell(tells: bool, made: int) -> None:
    known, vectors, signals = profile(3, tells, 400)
    predictor = fit_predictor(known, vectors, [("none", "bm25@1", "none", name) for name in ("small", "large")])
    found = fit_adaptive(Shown.of(known, signals, predictor, "latency_s"), (SMALL, LARGE), PREFERENCE)
    assert len(found) == made
    assert all((each.first, each.then) == (0, 1) for each in found)
