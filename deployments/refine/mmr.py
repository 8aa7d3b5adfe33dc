"""Passages that are to the point and unlike each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cluster.encoder import FloatArray
from cluster.index import Index
from deployments.messages import Passage
from deployments.refine.base import Refiner

_LAMBDA = 0.7  # weight of being to the point


class Mmr(Refiner):
    """Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998).

    How much to the point a passage is, is told by its place in the retriever's ranking, from 1 for the first down to 0: the
    likeness of vectors instead would undo what words found (recall@5 on a TV's manual .71 against .87, see
    benchmarks/retrieval.py), and scores of different retrievers have different scales. How alike two passages are is the
    cosine of their vectors in the index.
    """

    widen = 4

    def __init__(self, index: Index) -> None:
        self._index = index

    def refine(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        if not passages:
            return []
        relevance = np.linspace(1, 0, len(passages), endpoint=False, dtype=np.float32)
        vectors = self._index.vectors([passage.passage_id for passage in passages])
        chosen = maximal_marginal_relevance(relevance, vectors, k)
        return [passages[row] for row in chosen]


def maximal_marginal_relevance(relevance: FloatArray, vectors: FloatArray, k: int) -> list[int]:
    """Rows of the unit `vectors`, shape (n, d), in the order in which they are chosen; at most `k`.

    Next comes the row with the largest lambda * relevance - (1 - lambda) * max cosine(row, chosen rows).
    """
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
