"""One edge at the cloud's desk, whatever its messages come by."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from deployments.models.split.desk import Desk
from deployments.models.split.errors import FrameError

logger = logging.getLogger("ray.serve")


class Caller:
    """Takes numbered messages (`NumberedLink`) in their order; answers go back as they are ready."""

    def __init__(self, desk: Desk, name: str, reply: Callable[[int, bytes], Awaitable[None]]) -> None:
        """`name` is for the log."""
        self._desk = desk
        self._name = name
        self._reply = reply
        self._answering: set[asyncio.Task[None]] = set()

    async def take(self, number: int, message: bytes) -> None:
        """Returns at once unless the message wants no answer. Raises FrameError for an upload that was harmed."""
        if not number:
            await self._desk.handle(message, self)
            return
        task = asyncio.create_task(self._answer(number, message))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    def leave(self) -> None:
        """The edge is gone: forget its sessions and what it asked."""
        for task in self._answering:
            task.cancel()
        self._desk.leave(self)

    async def _answer(self, number: int, message: bytes) -> None:
        try:
            answer = await self._desk.handle(message, self)
        except FrameError as error:
            logger.warning("a question of %s was harmed on its way: %s", self._name, error)
            answer = b""
        except Exception:
            logger.exception("a question of %s failed", self._name)
            answer = b""
        await self._reply(number, answer)
