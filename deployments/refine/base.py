"""The contract of a refiner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from deployments.messages import Passage


class Refiner(ABC):
    """Reorders, drops or shortens retrieved passages. Synchronous and thread-safe."""

    widen: ClassVar[int] = 1
    """How many times more passages than are shown to the model it wants to choose from."""

    @abstractmethod
    def refine(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        """At most `k` passages to show to the model, best first; a subset of `passages`, perhaps with shorter text."""
