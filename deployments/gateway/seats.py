"""Bounded places at a server and a bounded queue before them, so that overload is told at once instead of waited out."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import suppress

from policies.errors import Overloaded

_SMOOTHING = 0.1
"""Weight of the newest request in the running mean of how long a place is taken."""


class Seats:
    """`places` may be taken at once; at most `queue` callers wait for one, first come first served. For one event loop."""

    def __init__(self, what: str, places: int, queue: int) -> None:
        """`what` names the server in the error."""
        self._what, self._places, self._queue = what, places, queue
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._held_s = 0.0

    @property
    def taken(self) -> int:
        """Places in use."""
        return self._taken

    @property
    def waiting(self) -> int:
        """Callers in the queue."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether the next caller would be refused."""
        return self._taken >= self._places and len(self._waiting) >= self._queue

    def note(self, seconds: float) -> float:
        """Tell how long a place was taken; returns the running mean, which the advice when to come again rests on."""
        self._held_s += _SMOOTHING * (seconds - self._held_s)
        return self._held_s

    async def enter(self) -> None:
        """Take a place, waiting in the queue if need be; then `leave` must follow. Raises Overloaded when the queue is full."""
        if self._taken < self._places:
            self._taken += 1
            return
        if len(self._waiting) >= self._queue:
            raise Overloaded(self._what, len(self._waiting), self._queue, self._retry_after_s())
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()  # the place was handed over in the same instant
            else:
                with suppress(ValueError):  # `leave` has passed over it in the same instant
                    self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """Give the place to the first in the queue."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)  # the place changes hands, so the count stays
                return
        self._taken -= 1

    def _retry_after_s(self) -> float:
        """Whole seconds until the queue of now is likely to have passed."""
        return float(min(60, max(1, math.ceil(self._held_s * (1 + len(self._waiting)) / self._places))))
