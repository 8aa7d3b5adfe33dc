"""Passages that are to the point and unlike each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cluster.encoder import Encoder, FloatArray
from cluster.index import Index
from deployments.messages import Passage
from deployments.refine.base import Refiner

_LAMBDA = 0.7  # weight of being to the point


class Mmr(Refiner):
    """Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998) on the vectors of the index."""

    widen = 4

    def __init__(self, index: Index, encoder: Encoder) -> None:
        self._index = index
        self._encoder = encoder

    def refine(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        if not passages:
            return []
        vectors = self._index.vectors([passage.passage_id for passage in passages])
        chosen = maximal_marginal_relevance(self._encoder.encode_one(question), vectors, k)
        return [passages[row] for row in chosen]


def maximal_marginal_relevance(query: FloatArray, vectors: FloatArray, k: int) -> list[int]:
    """Rows of `vectors`, shape (n, d), in the order in which they are chosen; at most `k`.

    Next comes the row with the largest lambda * sim(row, query) - (1 - lambda) * max sim(row, chosen rows).
    """
    relevance = vectors @ query
    likeness = vectors @ vectors.T
    chosen: list[int] = []
    nearest = np.zeros(len(vectors), dtype=np.float32)
    left = np.ones(len(vectors), dtype=bool)
    while len(chosen) < min(k, len(vectors)):
        marginal = np.where(left, _LAMBDA * relevance - (1 - _LAMBDA) * nearest, -np.inf)
        row = int(marginal.argmax())
        nearest = likeness[row] if not chosen else np.maximum(nearest, likeness[row])
        left[row] = False
        chosen.append(row)
    return chosen
