"""What every path is expected to do for a query, learnt from a profile (ECO-LLM's runtime, arXiv 2507.09003, our completion).

Four levels, each drawn toward the next by how little it rests on: like queries, landmarks among them, the path's own mean,
and what its options have in common with other paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.calibrate import calibrated
from policies.complete import Completed, complete
from policies.costs import Levels, fit_levels, logarithms, spread_over
from policies.effects import with_effects
from policies.forecast import AXES, Axis
from policies.shape import shapes
from policies.sight import Seen, Sight, fit_sight
from policies.sparse import fit_sparse, is_sparse
from policies.surface import Fit, bent, fit_surface, squares
from policies.types import Profile

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
_STRANGE = 0.01  # share of the profiled queries that would themselves be called unfamiliar
_BLOCK = 512
ACCURACY_AXES, COST_AXES = 15, 5
"""On which paths differ from query to query: in what they cost they differ in fewer ways than in what they answer."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: accuracy is level + residual; latency, cost and energy are level × exp(residual), as is `relative`.

    `means` of shape (paths,) are what a path does over all profiled queries. `measured` are those queries' own values, NaN
    where missing, and `left_out` what is predicted for them without their own measurements: shape (queries, paths).
    `spread` of shape (paths,) is the 90th percentile of measured over predicted values (1 for accuracy).
    """

    means: FloatArray
    level: FloatArray
    fit: Fit
    relative: bool
    measured: FloatArray
    left_out: FloatArray
    spread: FloatArray

    def predict(self, queries: Seen) -> FloatArray:
        """Expected values, shape (queries, paths)."""
        return self._expected(self.fit.surface.residuals(queries))

    def views(self, queries: Seen) -> FloatArray:
        """Expected values by each view of the surface alone, shape (views, queries, paths)."""
        return self._expected(self.fit.surface.views(queries))

    def _expected(self, residuals: FloatArray) -> FloatArray:
        return self.level * np.exp(residuals) if self.relative else self.level + residuals


@dataclass(frozen=True, slots=True)
class Predictor:
    """Everything learnt from a profile. An axis that was never measured is missing from `costs`.

    `weights` of shape (queries,) are how often each distinct query was measured; `familiar` is the squared distance to the
    nearest profiled query that all but 1 % of the profiled queries stay within.
    """

    sight: Sight
    weights: FloatArray
    accuracy: Measure
    costs: dict[Axis, Measure]
    familiar: float


def fit_predictor(profile: Profile, vectors: npt.ArrayLike, options: Sequence[Sequence[str]]) -> Predictor:
    """Learn from all measured cells. `vectors` of shape (queries, width) are unit vectors; `options` are each path's options.

    Queries with the same text are one query measured several times: otherwise a query's own copy would vouch for it.
    """
    texts, places, of_query = np.unique(np.array(profile.queries, dtype=object), return_index=True, return_inverse=True)
    weights = np.bincount(of_query).astype(np.float64)
    given, traits = np.asarray(vectors, dtype=np.float64)[places], shapes(list(texts))
    sight = fit_sight(given, traits)
    known = sight.see(given, traits)
    accuracy = _accuracy(_merged(profile.accuracy, of_query), known, weights, options)
    costs = {
        axis: _cost(getattr(profile, axis), of_query, known, weights, options)
        for axis in AXES
        if not np.isnan(getattr(profile, axis)).all()
    }
    return Predictor(sight, weights, accuracy, costs, _familiar(known))


def _accuracy(values: FloatArray, known: Seen, weights: FloatArray, options: Sequence[Sequence[str]]) -> Measure:
    completed = complete(values, options, weights)
    fit = _fit(known, completed, weights, options, ACCURACY_AXES)
    if not is_sparse(completed):
        fit = bent(fit, completed, weights)
    means = completed.means
    return Measure(means, means, fit, False, values, means + fit.left_out, np.ones(len(means)))


def _cost(
    measured: FloatArray, of_query: IntArray, known: Seen, weights: FloatArray, options: Sequence[Sequence[str]]
) -> Measure:
    """Fitted as logarithms: costs have long tails, and a sum of them could be expected to be negative."""
    values = _merged(measured, of_query)
    completed = complete(logarithms(values), options, weights)
    fit = _fit(known, completed, weights, options, COST_AXES)
    found: Levels = fit_levels(values, completed.means, fit.left_out, weights)
    left_out = found.level * np.exp(fit.left_out)
    return Measure(found.means, found.level, fit, True, values, left_out, spread_over(measured, left_out[of_query]))


def _fit(known: Seen, completed: Completed, weights: FloatArray, options: Sequence[Sequence[str]], axes: int) -> Fit:
    if is_sparse(completed):
        fit = fit_sparse(known, completed, options, weights, axes)
    else:
        fit = fit_surface(known, with_effects(completed, options), weights, axes)
    return calibrated(fit, completed, weights)


def _merged(values: FloatArray, of_query: IntArray) -> FloatArray:
    """Means over the measurements of the same query; NaN where there is none."""
    number = int(of_query.max()) + 1
    sums, counts = np.zeros((number, values.shape[1])), np.zeros((number, values.shape[1]))
    np.add.at(sums, of_query, np.where(np.isnan(values), 0.0, values))
    np.add.at(counts, of_query, ~np.isnan(values))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _familiar(known: Seen) -> float:
    """How far, in squared distance, nearly every profiled query is from the one that is nearest to it on the axes."""
    if len(known.axes) < 2:
        return float("inf")
    apart = np.empty(len(known.axes))
    for start in range(0, len(known.axes), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(known.axes)))
        distances = squares(known.axes[rows], known.axes)
        distances[rows - start, rows] = np.inf
        apart[rows] = ((known.plain[rows] - known.plain[distances.argmin(axis=1)]) ** 2).sum(axis=1)
    return float(np.quantile(apart, 1 - _STRANGE))
