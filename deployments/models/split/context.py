"""What the cloud keeps of one session: states that came, keys and values, and the last answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import torch
from torch import Tensor

from deployments.models.split.codec import Wire, decode, position_bytes, wire_named
from deployments.models.split.draw import Draw
from deployments.models.split.errors import StateError
from deployments.models.split.frames import Frame
from deployments.models.split.kv import KvCache

_EPOCHS = 1 << 16


class Context:
    """States may come twice and in any order; each position is computed once, when a later one is asked for.

    Frames only wait in `put`; they are taken in by `absorb`, which the holder of `lock` calls, so that nothing changes under
    a pass that is running.
    """

    def __init__(self, cache: KvCache, width: int, now: float) -> None:
        self.cache = cache
        self.draw: Draw | None = None
        self.epoch = 0
        self.used_at = now
        self.lock = asyncio.Lock()
        self.answers: dict[int, int] = {}
        """The tokens given for the last question, by the position before them; a repeated question gets them again."""
        self.failure: StateError | None = None
        """Why nothing can be told of it: what the layers made of its states are no numbers."""
        self._width = width
        self._inbox: list[Frame] = []
        self._states: dict[int, dict[int, Tensor]] = {}
        """By epoch and position, each (width,)."""

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        waiting = sum(len(states) for states in self._states.values())
        return self.cache.nbytes + 4 * self._width * waiting + sum(len(frame.payload) for frame in self._inbox)

    def put(self, frame: Frame) -> None:
        """Keep a STATES frame for later. Raises FrameError or StateError when it cannot be what the width demands."""
        size = position_bytes(wire_named(frame.wire), self._width)
        if not frame.count or len(frame.payload) != frame.count * size:
            raise StateError(f"{frame.count} positions of width {self._width} are not {len(frame.payload)} bytes")
        self._inbox.append(frame)

    def absorb(self) -> None:
        """Take in what has come. Raises StateError for states that are not finite, having dropped their frame."""
        while self._inbox:
            frame = self._inbox.pop(0)
            states = decode(frame.payload, Wire(frame.wire), self._width)
            if frame.afresh and _later(frame.epoch, self.epoch):
                self._begin(frame.epoch, frame.first)
            if frame.epoch == self.epoch or _later(frame.epoch, self.epoch):
                known = self._states.setdefault(frame.epoch, {})
                known.update((frame.first + i, row) for i, row in enumerate(states))
        current = self._states.get(self.epoch, {})
        for position in [position for position in current if position < self.cache.length]:
            del current[position]

    def missing(self, end: int) -> int | None:
        """The first position before `end` whose state has not come; None if all have."""
        current = self._states.get(self.epoch, {})
        return next((position for position in range(self.cache.length, end) if position not in current), None)

    def take(self, count: int) -> Tensor:
        """The next `count` states, (count, width), which must be there; they are dropped here."""
        current = self._states[self.epoch]
        start = self.cache.length
        return torch.stack([current.pop(position) for position in range(start, start + count)])

    def repeated(self, first: int, count: int) -> list[int] | None:
        """The answers to a question that was asked before, None if they are not known."""
        positions: Sequence[int] = range(first, first + count)
        return [self.answers[p] for p in positions] if all(p in self.answers for p in positions) else None

    def go_back(self, length: int) -> None:
        """Forget the positions from `length` on."""
        self.cache.truncate(length)
        self.answers = {position: token for position, token in self.answers.items() if position < length}

    def _begin(self, epoch: int, first: int) -> None:
        """The edge has taken back what it sent from `first` on; earlier positions that have not been computed stay good.

        It takes back only what an answer of this epoch told it to, so no epoch is ever skipped, except after a session was
        forgotten, when everything is sent again.
        """
        self.go_back(first)
        before = self._states.pop(self.epoch, {})
        kept = {position: row for position, row in before.items() if position < first}
        self._states[epoch] = kept | self._states.get(epoch, {})
        self.epoch = epoch


def _later(epoch: int, other: int) -> bool:
    """Whether `epoch` comes after `other`; they are counted modulo 65536."""
    return 0 < (epoch - other) % _EPOCHS < _EPOCHS // 2
