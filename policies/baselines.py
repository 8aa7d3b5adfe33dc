"""Plain predictors to compare with: each gives the expected values of all paths for new queries, shape (queries, paths).

They see every measurement of the profile, asked twice or not; a cell that was not measured counts as its path's mean.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from policies.clusters import kmeans

FloatArray = npt.NDArray[np.float64]
NEIGHBOURS = 100
STRENGTHS = np.geomspace(1e-2, 1e4, 13)
_BLOCK = 512


def filled(values: FloatArray) -> FloatArray:
    """`values` with each path's mean in the cells that are NaN. Every path needs a value."""
    return np.where(np.isnan(values), np.nanmean(values, axis=0), values)


def knn(vectors: FloatArray, values: FloatArray, queries: FloatArray) -> FloatArray:
    """Means over the hundred most similar measurements, or over all of them if there are fewer."""
    number = min(NEIGHBOURS, len(vectors))
    found = np.empty((len(queries), values.shape[1]))
    for start in range(0, len(queries), _BLOCK):
        likeness = queries[start : start + _BLOCK] @ vectors.T
        nearest = np.argpartition(-likeness, number - 1, axis=1)[:, :number]
        found[start : start + _BLOCK] = values[nearest].mean(axis=1)
    return found


def cluster_means(vectors: FloatArray, values: FloatArray, queries: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Means of the nearest of √(n/2) clusters, at least 2 and at most 64, where n counts distinct queries."""
    distinct = len(np.unique(vectors.round(5), axis=0))
    clusters = kmeans(vectors, int(np.clip(np.sqrt(distinct / 2), 2, 64)), rng)
    member = np.eye(len(clusters.centroids))[clusters.labels]
    means = (member.T @ values) / member.sum(axis=0)[:, None]
    return np.asarray(means[clusters.assign(queries)], dtype=np.float64)


def ridge(vectors: FloatArray, values: FloatArray, queries: FloatArray) -> FloatArray:
    """Ridge regression with the strength of least leave-one-out error; paths count by their own scale."""
    centre, mean = vectors.mean(axis=0), values.mean(axis=0)
    scale = np.maximum(values.std(axis=0), 1e-12)
    targets = (values - mean) / scale
    left, sizes, right = np.linalg.svd(vectors - centre, full_matrices=False)
    seen = left.T @ targets
    errors = [_left_out_error(left, sizes, seen, targets, strength) for strength in STRENGTHS]
    strength = STRENGTHS[int(np.argmin(errors))]
    slopes = right.T @ ((sizes / (sizes**2 + strength))[:, None] * seen)
    return np.asarray(mean + scale * ((queries - centre) @ slopes), dtype=np.float64)


def _left_out_error(left: FloatArray, sizes: FloatArray, seen: FloatArray, targets: FloatArray, strength: float) -> float:
    kept = sizes**2 / (sizes**2 + strength)
    own = (left**2) @ kept + 1 / len(left)
    errors = (targets - (left * kept) @ seen) / np.maximum(1 - own, 1e-9)[:, None]
    return float((errors**2).sum())
