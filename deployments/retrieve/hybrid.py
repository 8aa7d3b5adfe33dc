"""Retrieval by words and by meaning, fused."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.encoder import Encoder
from cluster.index import Index
from deployments.messages import Passage
from deployments.retrieve.base import Retriever, passages
from deployments.retrieve.fusion import reciprocal_rank_fusion

_DEPTH = 50  # passages that each ranking gives: one that both find low may be the best of all
# With the paper's constant (60) and equal weights the fusion is worse than BM25 alone where questions use the words of the
# manual (recall@5 .838 against .876). These were chosen on half of the questions of benchmarks/retrieval.py; on the other
# half, and on all, the fusion is better than either ranking in both collections (.879 and .842).
_CONSTANT = 2
_WEIGHTS = (1.0, 0.45)  # words, vectors


class Hybrid(Retriever):
    """Weighted reciprocal rank fusion of BM25 and nearest vectors."""

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
        positions = [[position for position, _ in ranking] for ranking in rankings]
        fused = reciprocal_rank_fusion(positions, _WEIGHTS, _CONSTANT)
        return passages(self._index, fused[:k])
