"""Retrieval by words."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.encoder import Encoder
from cluster.index import Index
from deployments.messages import Passage
from deployments.retrieve.base import Retriever, passages


class Bm25(Retriever):
    """BM25; passages that share no word with the question are not found."""

    def __init__(self, index: Index, encoder: Encoder) -> None:
        self._index = index

    def search(self, questions: Sequence[str], k: int) -> list[list[Passage]]:
        return [passages(self._index, self._index.lexical(question, k)) for question in questions]
