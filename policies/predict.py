"""What every path is expected to do for a query, learnt from a profile (ECO-LLM's runtime, arXiv 2507.09003, our completion)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.complete import complete, shrink
from policies.forecast import AXES, Axis
from policies.surface import Fit, fit_surface
from policies.types import Profile

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
LEAST_RATIO = 0.01  # of a path's mean: what is less counts as this much, so that zero has a logarithm
QUANTILE = 0.9
USUAL = 0.99


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: accuracy is level + residual; latency, cost and energy are level × exp(residual), as is `relative`.

    `measured` are the profiled queries' own values, NaN where missing, and `completed` the same with missing cells filled;
    `left_out` are their predictions, each without its own measurements: all of shape (queries, paths).
    `spread` of shape (paths,) is the 90th percentile of measured over left-out predicted values (1 for accuracy).
    """

    means: FloatArray
    level: FloatArray
    fit: Fit
    relative: bool
    measured: FloatArray
    completed: FloatArray
    left_out: FloatArray
    spread: FloatArray

    def predict(self, vectors: FloatArray) -> FloatArray:
        """Expected values, shape (vectors, paths); NaN for a path of which nothing is known."""
        residuals = self.fit.surface.residuals(vectors)
        return self.level * np.exp(residuals) if self.relative else self.level + residuals


@dataclass(frozen=True, slots=True)
class Predictor:
    """Everything learnt from a profile. An axis that was never measured is missing from `costs`.

    `familiar` is the likeness to the nearest profiled query that all but 1 % of the profiled queries reach.
    """

    vectors: FloatArray
    accuracy: Measure
    costs: dict[Axis, Measure]
    familiar: float


def fit_predictor(profile: Profile, vectors: FloatArray, options: Sequence[Sequence[str]]) -> Predictor:
    """Learn from all measured cells. `vectors` of shape (queries, width) are unit vectors; `options` are each path's options.

    Queries with the same vector are one query measured several times: otherwise a query's own copy would vouch for it.
    """
    places, of_query = _distinct(vectors)
    weights = np.bincount(of_query).astype(np.float64)
    known = vectors[places]
    accuracy = _accuracy(_merged(profile.accuracy, of_query), known, weights, options)
    costs = {
        axis: _cost(_merged(getattr(profile, axis), of_query), known, weights, options)
        for axis in AXES
        if not np.isnan(getattr(profile, axis)).all()
    }
    return Predictor(known, accuracy, costs, _familiar(known))


def _accuracy(values: FloatArray, vectors: FloatArray, weights: FloatArray, options: Sequence[Sequence[str]]) -> Measure:
    completed = complete(values, options)
    fit = fit_surface(vectors, completed, weights, differences=True)
    means = completed.means
    left_out, filled = means + fit.left_out, means + completed.residuals
    return Measure(means, means, fit, False, values, filled, left_out, np.ones(len(means)))


def _cost(values: FloatArray, vectors: FloatArray, weights: FloatArray, options: Sequence[Sequence[str]]) -> Measure:
    """Fitted as logarithms: costs have long tails, and a sum of them can be expected to be negative."""
    means = _cost_means(values, weights, options)
    usual = _without_outliers(values)
    logs = np.log(np.maximum(usual / np.where(means > 0, means, 1.0), LEAST_RATIO))
    completed = complete(logs, options)
    fit = fit_surface(vectors, completed, weights, differences=False)
    level = _level(usual, means, fit.left_out)
    left_out = level * np.exp(fit.left_out)
    filled = np.where(np.isnan(values), level * np.exp(completed.residuals), values)
    return Measure(means, level, fit, True, values, filled, left_out, _spread(values, left_out))


def _without_outliers(values: FloatArray) -> FloatArray:
    """Each path's values cut at their 99th percentile: one answer that ran away would otherwise double a path's mean."""
    some = ~np.isnan(values).all(axis=0)
    usual = values.copy()
    usual[:, some] = np.minimum(values[:, some], np.nanquantile(values[:, some], USUAL, axis=0))
    return usual


def _level(values: FloatArray, means: FloatArray, logs: FloatArray) -> FloatArray:
    """What exp(`logs`) is multiplied with so that each path's predictions sum to what was measured (Duan's smearing)."""
    seen = ~np.isnan(values)
    said = np.where(seen, np.exp(logs), 0.0).sum(axis=0)
    total = np.where(seen, values, 0.0).sum(axis=0)
    return np.where(seen.any(axis=0), total / np.maximum(said, 1e-12), means)


def _cost_means(values: FloatArray, weights: FloatArray, options: Sequence[Sequence[str]]) -> FloatArray:
    """Means of the measured cells; a path without any is expected to cost what its options lead to expect."""
    observed = ~np.isnan(values) * weights[:, None]
    counts = observed.sum(axis=0)
    means = np.where(np.isnan(values), 0.0, values * weights[:, None]).sum(axis=0) / np.maximum(counts, 1e-12)
    if (counts > 0).all():
        return means
    expected = shrink(means, counts, 0.0, options)
    return np.where(counts > 0, means, np.maximum(expected, means[counts > 0].min()))


def _spread(values: FloatArray, left_out: FloatArray) -> FloatArray:
    """The 90th percentile of measured over predicted, of each path's own cells and as many of all paths' as it lacks to ten."""
    ratios = np.where(left_out > 0, values / np.where(left_out > 0, left_out, 1.0), np.where(np.isnan(values), np.nan, 1.0))
    pool = ratios[~np.isnan(ratios)]
    common = float(np.quantile(pool, QUANTILE))
    counts = (~np.isnan(ratios)).sum(axis=0)
    own = np.full(len(counts), common)
    own[counts > 0] = np.nanquantile(ratios[:, counts > 0], QUANTILE, axis=0)
    share = np.minimum(counts, 10) / 10
    return np.maximum(share * own + (1 - share) * common, 1e-12)


def _distinct(vectors: FloatArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    rounded = np.ascontiguousarray(np.round(vectors, 5) + 0.0)  # + 0.0 makes -0.0 and 0.0 the same bytes
    rows = rounded.view(np.dtype((np.void, rounded.dtype.itemsize * rounded.shape[1])))[:, 0]
    _, places, of_query = np.unique(rows, return_index=True, return_inverse=True)
    return places, of_query


def _merged(values: FloatArray, of_query: npt.NDArray[np.intp]) -> FloatArray:
    """Means over the measurements of the same query; NaN where there is none."""
    number = int(of_query.max()) + 1
    if number == len(values):
        merged = np.empty_like(values)
        merged[of_query] = values
        return merged
    sums, counts = np.zeros((number, values.shape[1])), np.zeros((number, values.shape[1]))
    np.add.at(sums, of_query, np.where(np.isnan(values), 0.0, values))
    np.add.at(counts, of_query, ~np.isnan(values))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _familiar(vectors: FloatArray) -> float:
    if len(vectors) < 2:
        return -1.0
    nearest = np.empty(len(vectors))
    for start in range(0, len(vectors), 512):
        likeness = vectors[start : start + 512] @ vectors.T
        likeness[np.arange(len(likeness)), np.arange(start, start + len(likeness))] = -np.inf
        nearest[start : start + 512] = likeness.max(axis=1)
    return float(np.quantile(nearest, 0.01))
