"""The contract of a retriever."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from deployments.messages import Passage


class Retriever(ABC):
    """Finds passages. Synchronous and thread-safe: the pipeline runs it in a thread."""

    @abstractmethod
    def search(self, questions: Sequence[str], k: int) -> list[list[Passage]]:
        """For each question at most `k` passages, best first, none twice. Never raises on odd text (empty, other scripts)."""
