"""Nine of ten answers stay within the 90th percentile that is predicted for them, however they were measured."""

from __future__ import annotations

import numpy as np
import pytest

from policies.costs import spread_over
from policies.predict import fit_predictor
from policies.shape import shapes
from policies.types import Profile

PATHS, OPTIONS = ("a", "b", "c"), [("a",), ("b",), ("c",)]


@pytest.mark.parametrize(("texts", "times", "missing"), [(60, 1, 0.0), (60, 8, 0.0), (120, 1, 0.8)])
def test_nine_of_ten_single_answers_stay_within(texts: int, times: int, missing: float) -> None:
    within = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(2 * texts, 8))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        likely = np.exp(vectors[:, :3])
        names = [f"question {'very ' * int(rng.integers(6))}{place}" for place in range(2 * texts)]
        rows = np.repeat(np.arange(texts), times)
        taken = likely[rows] * rng.lognormal(sigma=0.5, size=(len(rows), 3))
        taken[rng.random(taken.shape) < missing] = np.nan
        queries, ids = tuple(names[row] for row in rows), tuple(map(str, range(len(rows))))
        none = np.full(taken.shape, np.nan)
        profile = Profile(ids, queries, PATHS, np.where(np.isnan(taken), np.nan, 1.0), taken, none, none)
        predictor = fit_predictor(profile, vectors[rows], OPTIONS)
        latency = predictor.costs["latency_s"]
        unseen = predictor.sight.see(vectors[texts:], shapes(names[texts:]))
        answers = likely[texts:] * rng.lognormal(sigma=0.5, size=(texts, 3))
        within.append(float((answers <= latency.predict(unseen) * latency.spread).mean()))
    assert 0.87 < np.mean(within) < 0.94


def test_few_measurements_reach_to_their_largest() -> None:
    left_out = np.ones((12, 2))
    values = np.array([np.arange(1.0, 13.0), [5.0] * 12]).T
    assert spread_over(values[:2], left_out[:2])[0] > 1.5
    assert spread_over(values, left_out)[1] == pytest.approx(5.0)
