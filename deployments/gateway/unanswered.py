"""Requests of one server that wait for their first word: Ray would let them wait for ever at a deployment without replicas."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Unanswered:
    """For one event loop."""

    def __init__(self) -> None:
        self._timers: set[asyncio.Timeout] = set()
        self._answers = 0

    async def first(self, timer: asyncio.Timeout, awaited: Awaitable[T]) -> T:
        """The result of `awaited`, the first word of a request whose time `timer` keeps."""
        self._timers.add(timer)
        try:
            result = await awaited
        finally:
            self._timers.discard(timer)
        self._answers += 1
        return result

    def silent(self) -> bool:
        """Whether some wait and none was answered since this was last asked."""
        silent = bool(self._timers) and not self._answers
        self._answers = 0
        return silent

    def end(self, before: float = math.inf) -> None:
        """Let those time out now whose time is up before a moment of the event loop's clock."""
        for timer in self._timers:
            until = timer.when()
            if not timer.expired() and (until is None or until < before):
                timer.reschedule(0)
