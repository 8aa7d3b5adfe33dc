"""Retrieval by words and by meaning, fused."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.encoder import Encoder
from cluster.index import Index
from deployments.messages import Passage
from deployments.retrieve.base import Retriever, passages
from deployments.retrieve.fusion import reciprocal_rank_fusion

_DEPTH = 50  # passages that each ranking gives: one that both find low may be the best of all


class Hybrid(Retriever):
    """Reciprocal rank fusion of BM25 and nearest vectors."""

    def __init__(self, index: Index, encoder: Encoder) -> None:
        self._index = index
        self._encoder = encoder

    def search(self, questions: Sequence[str], k: int) -> list[list[Passage]]:
        return [self._fused(question, k) for question in questions]

    def _fused(self, question: str, k: int) -> list[Passage]:
        depth = max(k, _DEPTH)
        rankings = (
            self._index.lexical(question, depth),
            self._index.nearest(self._encoder.encode_one(question), depth),
        )
        fused = reciprocal_rank_fusion([[position for position, _ in ranking] for ranking in rankings])
        return passages(self._index, fused[:k])
