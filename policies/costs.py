"""What a path costs on average, where a few answers that ran away can make up most of the measured mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
LEAST_RATIO = 0.01  # of a path's mean: what is less counts as this much, so that zero has a logarithm
QUANTILE = 0.9
_ENOUGH = 10  # cells for a path to have a 90th percentile of its own


@dataclass(frozen=True, slots=True)
class Levels:
    """`means` over all profiled queries, and the `level` that exp(residual) multiplies, both of shape (paths,)."""

    means: FloatArray
    level: FloatArray


def logarithms(values: FloatArray) -> FloatArray:
    """Logarithms of costs; of a path that is always free none."""
    means = _means(values, np.ones(len(values)))
    floor = np.where(means > 0, LEAST_RATIO * means, np.nan)
    return np.asarray(np.log(np.maximum(values, floor)), dtype=np.float64)


def fit_levels(values: FloatArray, logs: FloatArray, left_out: FloatArray, weights: FloatArray) -> Levels:
    """Levels at which predictions sum to what was measured (Duan's smearing, 1983), drawn toward a factor all paths share.

    `logs` of shape (paths,) are mean logarithms, `left_out` predicted residuals of shape (queries, paths). A path's own
    factor is as uncertain as its mean (delta method), so the one answer that ran away moves it little (empirical Bayes).
    """
    seen = ~np.isnan(values)
    counts = (seen * weights[:, None]).sum(axis=0)
    means = _means(values, weights)
    paid = (counts > 0) & (means > 0)
    if not paid.any():
        return Levels(np.zeros(len(means)), np.zeros(len(means)))
    base = np.exp(logs)
    said = np.where(seen, base * np.exp(left_out), 0.0) * weights[:, None]
    own = np.log(means[paid] * counts[paid] / said.sum(axis=0)[paid])
    apart = np.where(seen, values - means, 0.0)[:, paid] ** 2 * weights[:, None]
    doubt = np.maximum(apart.sum(axis=0) / counts[paid] / means[paid] ** 2 / seen[:, paid].sum(axis=0), 1e-12)
    true = _true_variance(own, doubt)
    common = float(np.average(own, weights=1 / (doubt + true)))
    factor = np.full(len(means), common)
    factor[paid] = (own * true + common * doubt) / (true + doubt)
    free = (counts > 0) & (means == 0)
    level = np.where(free, 0.0, base * np.exp(factor))
    return Levels(np.where(counts > 0, means, level), level)


def _true_variance(found: FloatArray, doubt: FloatArray) -> float:
    """Of what estimates with these sampling variances are of; each counts by how sure it is (DerSimonian and Laird, 1986)."""
    sure = 1 / doubt
    apart = float((sure * (found - np.average(found, weights=sure)) ** 2).sum()) - (len(found) - 1)
    return max(0.0, apart / max(float(sure.sum() - (sure**2).sum() / sure.sum()), 1e-12))


def spread_over(values: FloatArray, left_out: FloatArray) -> FloatArray:
    """The 90th percentile of measured over predicted, of each path's own cells and as many of all paths' as it lacks to ten.

    One row for each measurement, not for each query: a limit holds for a single answer, and means of several vary less.
    """
    ratios = np.where(left_out > 0, values / np.where(left_out > 0, left_out, 1.0), np.where(np.isnan(values), np.nan, 1.0))
    common = float(_exceeded_by_few(ratios.reshape(-1, 1))[0])
    counts = (~np.isnan(ratios)).sum(axis=0)
    own = np.full(len(counts), common)
    own[counts > 0] = _exceeded_by_few(ratios[:, counts > 0])
    share = np.minimum(counts, _ENOUGH) / _ENOUGH
    return np.asarray(np.maximum(share * own + (1 - share) * common, 1e-12), dtype=np.float64)


def _exceeded_by_few(values: FloatArray) -> FloatArray:
    """What a further value of each column stays within 9 times of 10 (Vovk and others, 2005: the quantile's rank is of n + 1,
    between neighbours interpolated). NaN is skipped; every column has a number."""
    ordered, counts = np.sort(values, axis=0), (~np.isnan(values)).sum(axis=0)
    rank = np.clip(QUANTILE * (counts + 1) - 1, 0, counts - 1)
    below = np.floor(rank).astype(np.intp)
    low, high = (ordered[place, np.arange(len(counts))] for place in (below, np.minimum(below + 1, counts - 1)))
    return np.asarray(low + (rank - below) * (high - low), dtype=np.float64)


def _means(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Means of the measured cells; NaN for a path without any."""
    seen = ~np.isnan(values) * weights[:, None]
    counts = seen.sum(axis=0)
    sums = (np.where(np.isnan(values), 0.0, values) * weights[:, None]).sum(axis=0)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1e-12), np.nan), dtype=np.float64)
