"""Which path a dialogue is on: clients send the whole dialogue each time, so the turns before the question tell it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

from deployments.prompts import Message, question_of
from policies.types import Path

_LONGEST = 8192  # characters of a question that are looked at: far more than an encoder reads, far less than a body may have


def asked(messages: Sequence[Message]) -> str:
    """The question that a path is chosen for, and that is written into the log."""
    return question_of(messages)[:_LONGEST]


class Thread:
    """One dialogue up to a question. `before` is None if nobody has answered in it yet."""

    __slots__ = ("_so_far", "before")

    def __init__(self, messages: Sequence[Message]) -> None:
        """`messages` end with the question."""
        self._so_far = blake2b(digest_size=16)
        self.before: bytes | None = None
        for turn in messages[:-1]:
            self._add(turn["role"], turn["content"])
        if len(messages) > 1 and messages[-2]["role"] == "assistant":
            self.before = self._so_far.digest()
        self._add(messages[-1]["role"], messages[-1]["content"])

    def answered(self, text: str) -> bytes:
        """What `before` will be in the next request of this dialogue, whose answer was `text`. To be called once."""
        self._add("assistant", text)
        return self._so_far.digest()

    def _add(self, role: str, content: str) -> None:
        text = content.strip()  # clients trim what they show, and send that back
        self._so_far.update(f"{role} {len(text)} {text}".encode("utf-8", "replace"))


class Dialogues:
    """The paths of the last `capacity` dialogues of this gateway process; the longest silent is forgotten first."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._paths: OrderedDict[bytes, Path] = OrderedDict()

    def __len__(self) -> int:
        return len(self._paths)

    def path_of(self, thread: Thread) -> Path | None:
        """The path that answered the turn before; None for a new dialogue."""
        return None if thread.before is None else self._paths.get(thread.before)

    def keep(self, thread: Thread, text: str, path: Path) -> None:
        """`path` answered the dialogue's question with `text`."""
        key = thread.answered(text)
        self._paths[key] = path
        self._paths.move_to_end(key)
        if len(self._paths) > self._capacity:
            self._paths.popitem(last=False)
