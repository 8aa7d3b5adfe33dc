"""How messages get from the edge to the cloud."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from deployments.models.split.desk import Desk
from deployments.models.split.errors import FrameError, LinkError


class Link(ABC):
    """One way to one cloud part, shared by all sessions of an edge. Messages are frames, packed."""

    @abstractmethod
    def upload(self, message: bytes) -> None:
        """Send beside whatever else happens, and do not wait. What is lost will be found missing and sent again."""

    @abstractmethod
    async def ask(self, message: bytes) -> bytes:
        """Send, and return the answer. Raises LinkError when the cloud cannot be reached."""

    @abstractmethod
    async def close(self) -> None:
        """Free what it holds."""


class DirectLink(Link):
    """To a cloud part in this process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tasks: set[asyncio.Task[bytes]] = set()

    def upload(self, message: bytes) -> None:
        """As a task of its own."""
        task = asyncio.create_task(self._desk.handle(message, self))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ask(self, message: bytes) -> bytes:
        """Handled here and now. A caller who gives up does not stop it, as on a real link."""
        try:
            return await asyncio.shield(self._desk.handle(message, self))
        except FrameError as error:
            raise LinkError(str(error)) from error

    async def close(self) -> None:
        """Let go of the sessions."""
        self._desk.leave(self)
