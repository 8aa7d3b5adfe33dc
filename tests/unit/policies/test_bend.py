"""Accuracies near 0 and 1 differ less than sums say, and where nothing is to be told nothing is bent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from policies import predict
from policies.bend import fit_bend
from policies.predict import fit_predictor
from policies.shape import shapes
from policies.types import Profile

FloatArray = npt.NDArray[np.float64]
OPTIONS = [("small",), ("large",)]


def profile(accuracy: FloatArray) -> Profile:
    texts, none = tuple(f"question {row}" for row in range(len(accuracy))), np.full(accuracy.shape, np.nan)
    return Profile(texts, texts, ("small", "large"), accuracy, none, none, none)


def lead_explained(seed: int) -> float:
    """The correlation of the expected with the true lead of the large model, which has none where questions are easy."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(3000, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ease = 6 * vectors[:, :1] + np.array([1.0, 2.5])
    likely = 1 / (1 + np.exp(-ease))
    outcomes = (rng.random(likely.shape) < likely).astype(np.float64)
    predictor = fit_predictor(profile(outcomes[:2000]), vectors[:2000], OPTIONS)
    unseen = predictor.sight.see(vectors[2000:], shapes([f"question {row}" for row in range(2000, 3000)]))
    found, true = predictor.accuracy.predict(unseen), likely[2000:]
    return float(np.corrcoef(found[:, 1] - found[:, 0], true[:, 1] - true[:, 0])[0, 1])


def test_a_lead_that_vanishes_where_questions_are_easy_is_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    bent = [lead_explained(seed) for seed in range(3)]
    monkeypatch.setattr(predict, "bent", lambda fit, completed, weights: fit)
    straight = [lead_explained(seed) for seed in range(3)]
    assert np.mean(bent) > np.mean(straight) + 0.1


def test_questions_that_all_look_the_same_are_expected_to_do_as_all() -> None:
    rng = np.random.default_rng(0)
    vectors = np.tile(np.eye(1, 8), (300, 1))
    outcomes = (rng.random((300, 2)) < 0.7).astype(np.float64)
    texts = tuple(f"question {row:03d}" for row in range(300))
    none = np.full(outcomes.shape, np.nan)
    predictor = fit_predictor(Profile(texts, texts, ("small", "large"), outcomes, none, none, none), vectors, OPTIONS)
    found = predictor.accuracy.predict(predictor.sight.see(vectors[:1], shapes(texts[:1])))
    np.testing.assert_allclose(found[0], outcomes.mean(axis=0), atol=0.03)


def test_few_questions_lead_no_accuracy_far_astray() -> None:
    for seed in range(25):
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(110, 16))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        likely = 1 / (1 + np.exp(-3 * vectors[:10, :1] - np.array([1.0, 1.5])))
        outcomes = (rng.random(likely.shape) < likely).astype(np.float64)
        predictor = fit_predictor(profile(outcomes), vectors[:10], OPTIONS)
        unseen = predictor.sight.see(vectors[10:], shapes([f"question {row}" for row in range(10, 110)]))
        assert np.abs(predictor.accuracy.predict(unseen) - 0.5).max() < 1


def test_a_bend_is_found_again() -> None:
    rng = np.random.default_rng(1)
    axes = rng.normal(size=(2000, 4)) * np.array([1.0, 0.5, 0.2, 0.1])
    apart = np.zeros_like(axes)
    apart[:, 1] = 0.3 * axes[:, 0] ** 2 - 0.4 * axes[:, 1]
    bend = fit_bend(axes, apart + 0.1 * rng.normal(size=axes.shape))
    assert np.sqrt(((bend.of(axes) - axes - (apart - apart.mean(axis=0))) ** 2).mean()) < 0.01


def test_chance_bends_next_to_nothing() -> None:
    rng = np.random.default_rng(2)
    axes = rng.normal(size=(200, 4))
    bend = fit_bend(axes, rng.normal(size=axes.shape))
    assert np.sqrt(((bend.of(axes) - axes) ** 2).mean()) < 0.15


def test_an_axis_on_which_no_query_differs_bends_nothing() -> None:
    rng = np.random.default_rng(3)
    axes = rng.normal(size=(200, 4)) * np.array([1.0, 1.0, 1.0, 1e-18])
    bend = fit_bend(axes, rng.normal(size=axes.shape))
    np.testing.assert_allclose(bend.of(axes + np.eye(4)[3]) - bend.of(axes), np.tile(np.eye(4)[3], (200, 1)), atol=1e-9)
