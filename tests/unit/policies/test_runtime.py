"""The fast forecast gives the numbers that the predictor gives, and knows what it has not seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from policies.predict import Predictor, fit_predictor
from policies.runtime import Forecaster
from policies.shape import shapes
from policies.types import Profile

FloatArray = npt.NDArray[np.float64]
OPTIONS = [(retrieve, model) for retrieve in ("none", "bm25") for model in ("small", "large")]


def learnt(rows: int, missing: float = 0.0) -> tuple[Predictor, FloatArray]:
    rng = np.random.default_rng(rows)
    vectors = rng.normal(size=(rows, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    accuracy = np.clip(0.5 + vectors[:, :4] + 0.1 * rng.normal(size=(rows, 4)), 0, 1)
    latency = np.exp(vectors[:, 4:8] + np.array([0.0, 1.0, 2.0, 3.0]))
    accuracy[rng.random((rows, 4)) < missing] = np.nan
    texts = tuple(f"question {'very ' * (row % 7)}long {row}" for row in range(rows))
    none = np.full((rows, 4), np.nan)
    return fit_predictor(Profile(texts, texts, ("a", "b", "c", "d"), accuracy, latency, none, none), vectors, OPTIONS), vectors


@pytest.mark.parametrize("rows", [1, 2, 7, 400])
def test_the_fast_forecast_agrees_with_the_predictor(rows: int) -> None:
    predictor, vectors = learnt(rows, missing=0.2 if rows > 2 else 0.0)
    text = "how is this question answered in 2 words?"
    seen = predictor.sight.see(vectors[:1], shapes([text]))
    found = Forecaster(predictor).forecast(vectors[0].astype(np.float32), text)
    np.testing.assert_allclose(found.accuracy, predictor.accuracy.predict(seen)[0], atol=2e-4)
    np.testing.assert_allclose(found.latency_s, predictor.costs["latency_s"].predict(seen)[0], rtol=2e-3)
    assert (found.latency_p90_s > 0).all()
    assert np.isnan(found.cost_usd).all()


def test_measures_may_vary_on_different_numbers_of_axes() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(3, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    latency, energy, none = rng.random((3, 4)), rng.random((3, 4)), np.full((3, 4), np.nan)
    energy[:, 1:] = np.where(rng.random((3, 3)) < 0.1, energy[:, 1:], np.nan)  # learnt from cells, and not from rows
    texts = ("one", "two more", "three of them.")
    profile = Profile(texts, texts, ("a", "b", "c", "d"), rng.random((3, 4)), latency, none, energy)
    predictor = fit_predictor(profile, vectors, OPTIONS)
    found, seen = (
        Forecaster(predictor).forecast(vectors[0].astype(np.float32), "one"),
        predictor.sight.see(vectors[:1], shapes(["one"])),
    )
    np.testing.assert_allclose(found.accuracy, predictor.accuracy.predict(seen)[0], atol=2e-4)
    np.testing.assert_allclose(found.energy_j, predictor.costs["energy_j"].predict(seen)[0], rtol=2e-3)


def test_a_query_like_none_in_the_profile_is_unfamiliar() -> None:
    predictor, vectors = learnt(400)
    forecaster = Forecaster(predictor)
    assert forecaster.forecast(vectors[3].astype(np.float32), "question").familiar
    strange = forecaster.forecast(np.full(16, 5.0, dtype=np.float32), "question")
    assert not strange.familiar
    np.testing.assert_allclose(strange.accuracy, predictor.accuracy.means, rtol=1e-5)
    assert not any(values.flags.writeable for values in strange[:-1])  # all such queries share them


def test_a_query_beside_the_axes_of_the_profile_is_unfamiliar() -> None:
    rng = np.random.default_rng(1)
    vectors = np.zeros((30, 64))
    vectors[:, :4] = rng.normal(size=(30, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts, none = tuple(map(str, range(30))), np.full((30, 4), np.nan)
    profile = Profile(texts, texts, ("a", "b", "c", "d"), rng.random((30, 4)), none, none, none)
    forecaster = Forecaster(fit_predictor(profile, vectors, OPTIONS))
    assert forecaster.forecast(vectors[5].astype(np.float32), "5").familiar
    assert not forecaster.forecast(np.eye(64, dtype=np.float32)[40], "5").familiar


def test_a_path_without_measurements_borrows_from_those_with_its_options() -> None:
    rng = np.random.default_rng(0)
    vectors = np.eye(40)
    accuracy = np.tile([0.2, 0.6, 0.5, np.nan], (40, 1)) + 0.01 * rng.normal(size=(40, 4))
    latency = np.tile([1.0, 10.0, 2.0, np.nan], (40, 1))
    texts, none = tuple(map(str, range(40))), np.full((40, 4), np.nan)
    predictor = fit_predictor(Profile(texts, texts, ("a", "b", "c", "d"), accuracy, latency, none, none), vectors, OPTIONS)
    assert predictor.accuracy.means[3] > predictor.accuracy.means[:3].mean()
    assert predictor.costs["latency_s"].level[3] > predictor.costs["latency_s"].level[2]


def test_a_vector_that_is_not_a_number_is_unfamiliar() -> None:
    predictor, _ = learnt(400)
    found = Forecaster(predictor).forecast(np.full(16, np.nan, dtype=np.float32), "question")
    assert not found.familiar
    np.testing.assert_allclose(found.accuracy, predictor.accuracy.means, rtol=1e-5)


@pytest.mark.filterwarnings("error")
def test_a_path_that_is_always_free_is_forecast_to_be_free() -> None:
    rng = np.random.default_rng(1)
    vectors = np.eye(40)
    accuracy, cost = rng.random((40, 4)), rng.random((40, 4)) * np.array([0.0, 1.0, 2.0, 3.0])
    texts, none = tuple(f"question {row}" for row in range(40)), np.full((40, 4), np.nan)
    predictor = fit_predictor(Profile(texts, texts, ("a", "b", "c", "d"), accuracy, none, cost, none), vectors, OPTIONS)
    found = Forecaster(predictor).forecast(vectors[0].astype(np.float32), "question")
    assert found.cost_usd[0] == 0
    assert (found.cost_usd[1:] > 0).all()
    assert np.isnan(found.energy_p90_j).all()
