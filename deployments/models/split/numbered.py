"""Links over which answers come back apart from the questions, known by a number."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from contextlib import suppress
from itertools import count

from deployments.models.split.errors import LinkError
from deployments.models.split.link import Link


class NumberedLink(Link):
    """Messages that want no answer have the number 0. For one event loop."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[bytes]] = {}

    @abstractmethod
    def send(self, number: int, message: bytes) -> None:
        """Send after what was sent before, without waiting. Raises LinkError when there is no connection."""

    def upload(self, message: bytes) -> None:
        """Dropped when there is no connection."""
        with suppress(LinkError):
            self.send(0, message)

    async def ask(self, message: bytes) -> bytes:
        """Raises LinkError without a connection, and when it breaks."""
        number = next(self._numbers)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self.send(number, message)
            return await answer
        finally:
            del self._answers[number]

    def receive(self, number: int, answer: bytes) -> None:
        """An answer has come; whoever waits for it gets it."""
        waiting = self._answers.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def broke(self, why: str) -> None:
        """The connection has ended: nobody needs to wait any more."""
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(LinkError(why))
