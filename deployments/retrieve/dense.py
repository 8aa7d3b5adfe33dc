"""Retrieval by meaning."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.encoder import Encoder
from cluster.index import Index
from deployments.messages import Passage
from deployments.retrieve.base import Retriever, passages


class Dense(Retriever):
    """The passages whose vectors are nearest to the question's, by cosine."""

    def __init__(self, index: Index, encoder: Encoder) -> None:
        self._index = index
        self._encoder = encoder

    def search(self, questions: Sequence[str], k: int) -> list[list[Passage]]:
        vectors = (self._encoder.encode_one(question) for question in questions)
        return [passages(self._index, self._index.nearest(vector, k)) for vector in vectors]
