"""Makes passages fit into a model's context: what was found is worth more shortened than refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from deployments import prompts
from deployments.messages import Passage, StageReport
from deployments.prompts import Message
from policies.errors import ContextTooLong

T = TypeVar("T")
_TRIES = 3
_MARGIN = 0.9
"""Of the room: tokens are not spread evenly over the words."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the light stages made of a job for one path."""

    messages: tuple[Message, ...]
    """What the model is asked: `dialogue` with the passages in it."""
    dialogue: tuple[Message, ...] = ()
    passages: tuple[Passage, ...] = ()
    reports: tuple[StageReport, ...] = ()

    def fitted(self, error: ContextTooLong) -> Prepared:
        """The same with every passage cut at its end so that prompt and answer should fit. Raises `error` if none can."""
        words = sum(len(passage.text.split()) for passage in self.passages)
        tokens_per_word = error.prompt_tokens / max(1, len(" ".join(turn["content"] for turn in self.messages).split()))
        surplus = error.prompt_tokens + error.max_tokens - _MARGIN * error.context_tokens
        share = 1 - surplus / max(1.0, tokens_per_word * words)
        if share <= 0:
            raise error
        passages = tuple(replace(passage, text=_beginning(passage.text, share)) for passage in self.passages)
        messages = prompts.answer(self.dialogue, [passage.text for passage in passages])
        return replace(self, messages=tuple(messages), passages=passages)


async def fitting(prepared: Prepared, ask: Callable[[Prepared], Awaitable[T]]) -> T:
    """What `ask` returns; asked again with shorter passages when they were too long. Raises ContextTooLong when it never fits."""
    for _ in range(_TRIES):
        try:
            return await ask(prepared)
        except ContextTooLong as error:
            prepared = prepared.fitted(error)
    return await ask(prepared)


def _beginning(text: str, share: float) -> str:
    words = text.split(" ")
    return " ".join(words[: max(1, int(share * len(words)))])
