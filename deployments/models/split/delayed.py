"""A link as slow as the emulated one between the tiers."""

from __future__ import annotations

import asyncio

from cluster.link import EmulatedLink
from deployments.models.split.link import Link


class DelayedLink(Link):
    """`inner`, each message as late as `emulated` makes it, in either direction."""

    def __init__(self, inner: Link, emulated: EmulatedLink) -> None:
        self._inner = inner
        self._emulated = emulated
        self._tasks: set[asyncio.Task[None]] = set()

    def upload(self, message: bytes) -> None:
        """Several are on their way at once, as on a real link."""
        task = asyncio.create_task(self._upload(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ask(self, message: bytes) -> bytes:
        """There and back. Behind the uploads before it, which are tasks, too: the states of its positions must not come later."""
        await asyncio.create_task(self._cross(message))
        answer = await self._inner.ask(message)
        await self._emulated.cross(len(answer), "down")
        return answer

    async def close(self) -> None:
        """What is on its way is lost."""
        for task in self._tasks:
            task.cancel()
        await self._inner.close()

    async def _upload(self, message: bytes) -> None:
        await self._cross(message)
        self._inner.upload(message)

    async def _cross(self, message: bytes) -> None:
        await self._emulated.cross(len(message), "up")
