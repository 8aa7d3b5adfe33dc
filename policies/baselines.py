"""Plain predictors to compare with: each gives the expected values of all paths for new queries, shape (queries, paths).

Missing cells of the training part are filled as for our own predictor, so that a comparison tells of the method alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from policies.clusters import kmeans
from policies.smoothers import STRENGTHS, neighbours, ridges

FloatArray = npt.NDArray[np.float64]
NEIGHBOURS = 100


def knn(vectors: FloatArray, values: FloatArray, queries: FloatArray, number: int = NEIGHBOURS) -> FloatArray:
    """Means over the `number` nearest profiled queries, or over all of them if there are fewer."""
    return neighbours(vectors, values, queries, (number,))[0]


def cluster_means(vectors: FloatArray, values: FloatArray, queries: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Means of the nearest of √(n/2) clusters, at least 2 and at most 64."""
    clusters = kmeans(vectors, int(np.clip(np.sqrt(len(vectors) / 2), 2, 64)), rng)
    member = np.eye(len(clusters.centroids))[clusters.labels]
    means = (member.T @ values) / member.sum(axis=0)[:, None]
    return np.asarray(means[clusters.assign(queries)], dtype=np.float64)


def ridge(vectors: FloatArray, values: FloatArray, queries: FloatArray) -> FloatArray:
    """Ridge regression with the strength of least leave-one-out error; paths count by their own scale."""
    scale = np.maximum(values.std(axis=0), 1e-12)
    fits = ridges(vectors, values, STRENGTHS)
    errors = [float((((left_out - values) / scale) ** 2).sum()) for _, left_out in fits]
    return fits[int(np.argmin(errors))][0].predict(queries)
