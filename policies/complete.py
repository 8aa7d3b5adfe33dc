"""Path means and residuals of a table with missing cells: the two coarsest levels of shrinkage.

A path that was measured rarely borrows from the paths that share its options; a missing cell is expected to differ from
its path's mean as its query's other cells do. What is left over, the residual, is what queries are compared by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
_ROUNDS = 15
_QUERY_PRIOR = 1.0  # pseudo-measurements that hold a query's effect at 0


@dataclass(frozen=True, slots=True)
class Completed:
    """`means` of shape (paths,); `residuals` and `observed` of shape (queries, paths), in missing cells the query's effect."""

    means: FloatArray
    residuals: FloatArray
    observed: BoolArray


def complete(values: FloatArray, options: Sequence[Sequence[str]], weights: FloatArray | None = None) -> Completed:
    """Fit value = path mean + query effect to the cells that are not NaN; `options` are the stages' options of each path.

    `weights` of shape (queries,) are how often each query was measured, once if None: it counts as often in the means.

    Without any measurement all means are NaN and all residuals 0.
    """
    observed = ~np.isnan(values)
    if not observed.any():
        return Completed(np.full(values.shape[1], np.nan), np.zeros(values.shape), observed)
    cells = np.where(observed, values, 0.0)
    often = np.ones(len(values)) if weights is None else weights
    times = observed * often[:, None]
    counts, of_query = times.sum(axis=0), observed.sum(axis=1)
    effect = np.zeros(len(values))
    means = np.zeros(values.shape[1])
    for _ in range(_ROUNDS):
        raw = ((cells - effect[:, None]) * times).sum(axis=0) / np.maximum(counts, 1.0)
        means = shrink(raw, counts, _noise(cells, observed, means, effect), options)
        effect = ((cells - means) * observed).sum(axis=1) / (of_query + _QUERY_PRIOR)
        effect -= np.average(effect, weights=often)
    return Completed(means, np.where(observed, values - means, effect[:, None]), observed)


def measured_means(values: FloatArray) -> FloatArray:
    """Each path's mean over its measured cells, NaN where it has none."""
    seen = ~np.isnan(values)
    return np.where(seen.any(axis=0), np.where(seen, values, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1), np.nan)


def shrink(raw: FloatArray, counts: FloatArray, noise: float, options: Sequence[Sequence[str]]) -> FloatArray:
    """Means of paths drawn toward what their options lead to expect, the more so the fewer `counts` they rest on.

    `noise` is the variance of one measurement. The prior's weight is noise over the variance of paths around their
    expectation (empirical Bayes; method of moments), so it vanishes where options explain nothing.
    """
    seen = counts > 0
    expected = _from_options(raw, counts, options)
    excess = np.average((raw[seen] - expected[seen]) ** 2, weights=counts[seen]) - noise * seen.sum() / counts[seen].sum()
    weight = min(noise / max(excess, 1e-12), counts[seen].mean()) if noise > 0 else 0.0
    shrunk: FloatArray = np.where(seen, (raw * counts + expected * weight) / np.maximum(counts + weight, 1e-12), expected)
    return shrunk


def _from_options(raw: FloatArray, counts: FloatArray, options: Sequence[Sequence[str]]) -> FloatArray:
    """A sum of one effect per option, by least squares weighted with the counts; a unit ridge holds it where data are few."""
    names = sorted({(stage, option) for path in options for stage, option in enumerate(path)})
    column = {name: index for index, name in enumerate(names)}
    has = np.zeros((len(options), len(names)))
    for row, path in enumerate(options):
        for stage, option in enumerate(path):
            has[row, column[stage, option]] = 1.0
    overall = float(np.average(raw, weights=counts))
    weighted = has.T * counts
    ridge = np.eye(len(names)) * max(1.0, float(counts[counts > 0].mean()))
    expected: FloatArray = overall + has @ np.linalg.solve(weighted @ has + ridge, weighted @ (raw - overall))
    return expected


def _noise(cells: FloatArray, observed: BoolArray, means: FloatArray, effect: FloatArray) -> float:
    left = (cells - means - effect[:, None])[observed]
    return float(left.var())
