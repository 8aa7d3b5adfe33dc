"""The contract of a refiner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from deployments.messages import Passage


class Refiner(ABC):
    """Reorders, drops or shortens retrieved passages. Synchronous and thread-safe."""

    @abstractmethod
    def refine(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """The passages to show to the model, best first; a subset of `passages`, perhaps with shorter text."""
