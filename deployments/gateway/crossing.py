"""A stream of text over the emulated link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from cluster.link import EmulatedLink
from deployments.messages import Delta


async def delayed(deltas: AsyncGenerator[Delta, None], link: EmulatedLink) -> AsyncGenerator[Delta, None]:
    """`deltas`, each as late as the link makes it. Several are on their way at once, as on a real link."""
    arriving: asyncio.Queue[tuple[Delta, asyncio.Task[float]] | BaseException | None] = asyncio.Queue()

    async def send() -> None:
        try:
            async with aclosing(deltas):
                async for delta in deltas:
                    crossing = asyncio.create_task(link.cross(len(delta.text.encode()), "down"))
                    arriving.put_nowait((delta, crossing))
            arriving.put_nowait(None)
        except Exception as error:  # handed over: the reader raises it where it would have met it
            arriving.put_nowait(error)

    sender = asyncio.create_task(send())
    try:
        while (item := await arriving.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            await item[1]
            yield item[0]
    finally:
        sender.cancel()
        while not arriving.empty():
            if isinstance(item := arriving.get_nowait(), tuple):
                item[1].cancel()
