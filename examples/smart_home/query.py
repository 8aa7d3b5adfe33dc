"""A question about a home with its reference answer and the documents that hold it."""

from dataclasses import dataclass
from typing import Literal

from deployments.prompts import Message

Kind = Literal["command", "lookup", "troubleshooting", "comparison", "follow_up"]
KINDS: tuple[Kind, ...] = ("command", "lookup", "troubleshooting", "comparison", "follow_up")
NOT_STATED = "not stated."


@dataclass(frozen=True, slots=True)
class Query:
    """One user turn. `question` is what is said, `standalone` the same made understandable alone.

    `general`, `passage` and `parts` are the targets of the step-back, HyDE and decompose prompts;
    `known` says that no passage is needed: the answer is the same in all homes or stands in `history`.
    """

    kind: Kind
    question: str
    reference: str
    gold: tuple[str, ...]
    standalone: str
    general: str
    passage: str
    parts: tuple[str, ...]
    history: tuple[Message, ...] = ()
    known: bool = False

    @property
    def messages(self) -> list[Message]:
        """The whole dialogue, the question last."""
        return [*self.history, {"role": "user", "content": self.question}]


def turn(question: str, answer: str) -> tuple[Message, Message]:
    """A past exchange."""
    return {"role": "user", "content": question}, {"role": "assistant", "content": answer}
