"""The contract of a retriever."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from cluster.index import Index
from deployments.messages import Passage


class Retriever(ABC):
    """Finds passages. Synchronous and thread-safe: the pipeline runs it in a thread."""

    @abstractmethod
    def search(self, questions: Sequence[str], k: int) -> list[list[Passage]]:
        """For each question at most `k` passages, best first, none twice. Never raises on odd text (empty, other scripts)."""


def passages(index: Index, found: Iterable[tuple[int, float]]) -> list[Passage]:
    """What a search of `index` found, with the texts."""
    chunks = ((index.passages[position], score) for position, score in found)
    return [Passage(chunk.passage_id, chunk.title, chunk.text, score, chunk.source) for chunk, score in chunks]
