"""Groups of like queries: k-means on unit vectors, the number of groups by silhouette (ECO-LLM, arXiv 2507.09003).

The paper says that queries are clustered; k-means, the silhouette and the kinds of representatives are our completion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
_ROUNDS = 50
_JUDGED = 1000  # queries on which a silhouette is computed: its cost grows with the square


@dataclass(frozen=True, slots=True)
class Clusters:
    """`centroids` of shape (clusters, width) and the cluster of each query, shape (queries,). No cluster is empty."""

    centroids: FloatArray
    labels: IntArray

    def assign(self, vectors: FloatArray) -> IntArray:
        """The nearest centroid of each vector."""
        return _nearest(vectors, self.centroids)


def kmeans(vectors: FloatArray, clusters: int, rng: np.random.Generator) -> Clusters:
    """Lloyd's algorithm from k-means++ seeds. Fewer clusters come back when there are fewer distinct vectors."""
    centroids = _seeds(vectors, clusters, rng)
    labels = _nearest(vectors, centroids)
    for _ in range(_ROUNDS):
        centroids, labels = _means(vectors, labels)
        moved = _nearest(vectors, centroids)
        if np.array_equal(moved, labels):
            break
        labels = moved
    return Clusters(*_means(vectors, labels))


def silhouette(vectors: FloatArray, labels: IntArray) -> float:
    """Mean of (b - a) / max(a, b): a is the mean distance to one's own cluster, b to the nearest other. 0 for one cluster."""
    groups = np.unique(labels)
    if len(groups) < 2:
        return 0.0
    distances = np.sqrt(np.maximum(_squares(vectors, vectors), 0.0))
    member = (labels[:, None] == groups[None, :]).astype(np.float64)
    sizes, sums = member.sum(axis=0), distances @ member
    own = member.astype(np.bool_)
    alone = sizes[own.argmax(axis=1)] == 1
    a = sums[own] / np.maximum(sizes[own.argmax(axis=1)] - 1, 1)
    b = np.where(own, np.inf, sums / sizes).min(axis=1)
    scores = np.where(alone, 0.0, (b - a) / np.maximum(np.maximum(a, b), 1e-12))
    return float(scores.mean())


def cluster(vectors: FloatArray, candidates: Sequence[int], rng: np.random.Generator) -> Clusters:
    """The clustering with the best silhouette among numbers of clusters; the smaller number on a tie."""
    judged = rng.permutation(len(vectors))[:_JUDGED]
    best, best_score = kmeans(vectors, 1, rng), 0.0
    for number in sorted(set(candidates)):
        if not 1 < number < len(vectors):
            continue
        found = kmeans(vectors, number, rng)
        score = silhouette(vectors[judged], found.labels[judged])
        if score > best_score:
            best, best_score = found, score
    return best


def representatives(vectors: FloatArray, clusters: Clusters, number: int) -> tuple[IntArray, ...]:
    """Of each cluster the medoid, then the members farthest from those already taken: at most `number` each."""
    return tuple(
        _spread(vectors, np.flatnonzero(clusters.labels == label), clusters.centroids[label], number)
        for label in range(len(clusters.centroids))
    )


def _spread(vectors: FloatArray, members: IntArray, centroid: FloatArray, number: int) -> IntArray:
    mine = vectors[members]
    taken = [int(_squares(mine, centroid[None, :])[:, 0].argmin())]
    nearest = _squares(mine, mine[taken])[:, 0]
    while len(taken) < min(number, len(members)):
        nearest[taken] = -1.0
        taken.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _squares(mine, mine[taken[-1:]])[:, 0])
    return members[taken]


def _seeds(vectors: FloatArray, number: int, rng: np.random.Generator) -> FloatArray:
    """k-means++ (Arthur and Vassilvitskii, 2007): the farther from every seed, the likelier the next one."""
    chosen = [int(rng.integers(len(vectors)))]
    nearest = np.maximum(_squares(vectors, vectors[chosen])[:, 0], 0.0)
    while len(chosen) < number and nearest.max() > 1e-12:
        chosen.append(int(rng.choice(len(vectors), p=nearest / nearest.sum())))
        nearest = np.minimum(nearest, np.maximum(_squares(vectors, vectors[chosen[-1:]])[:, 0], 0.0))
    return vectors[chosen]


def _means(vectors: FloatArray, labels: IntArray) -> tuple[FloatArray, IntArray]:
    """Means of the clusters that have members, and the labels numbered without gaps."""
    groups, numbered = np.unique(labels, return_inverse=True)
    sums = np.zeros((len(groups), vectors.shape[1]))
    np.add.at(sums, numbered, vectors)
    return sums / np.bincount(numbered)[:, None], numbered


def _nearest(vectors: FloatArray, centroids: FloatArray) -> IntArray:
    nearest: IntArray = _squares(vectors, centroids).argmin(axis=1)
    return nearest


def _squares(left: FloatArray, right: FloatArray) -> FloatArray:
    """Squared distances, shape (left, right); rounding can leave them slightly negative."""
    squares: FloatArray = (left**2).sum(axis=1)[:, None] - 2 * left @ right.T + (right**2).sum(axis=1)[None, :]
    return squares
