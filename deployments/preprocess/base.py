"""The contract of a preprocessor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from deployments.messages import Completion
from deployments.prompts import Message

Ask = Callable[[Sequence[Message]], Awaitable[Completion]]
"""Puts messages to the configured preprocess model; the caller of the pipeline hands it in, with its own sampling, deadline
and cancellation. The pipeline keeps the completion's report under the stage `preprocess`."""


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


def searches(question: str, *more: str) -> tuple[str, ...]:
    """The question and what else to search with; blank and repeated texts are left out."""
    texts = (text.strip() for text in more)
    return tuple(dict.fromkeys((question, *(text for text in texts if text))))
