"""The contract of a preprocessor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from deployments.prompts import Message

Ask = Callable[[Sequence[Message]], Awaitable[str]]
"""Puts messages to the configured preprocess model and returns its text; the pipeline hands it in and keeps the account."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a preprocessor made of a question."""

    question: str
    """The question to put to the model."""
    searches: tuple[str, ...]
    """The texts to retrieve with; results of several are fused."""


class Preprocessor(ABC):
    """Turns a dialogue into a question and search texts."""

    @abstractmethod
    async def prepare(self, dialogue: Sequence[Message], ask: Ask) -> Prepared:
        """Raises what `ask` raises. An empty answer of the model falls back to the last question itself."""
