"""Calls that come while a pass runs go together into the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Turns single calls on the event loop into passes in a thread. Waits for nobody: a call on an idle model runs alone."""

    def __init__(self, run: Callable[[Sequence[T]], Sequence[R]], thread: Executor) -> None:
        """`run` takes what is waiting and returns one result for each, in order; it is never called twice at once."""
        self._run = run
        self._thread = thread
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None
        self.passes = 0
        """Passes so far."""

    async def __call__(self, item: T) -> R:
        """The result for `item`; raises what the pass raised.

        A call that is cancelled while it waits is left out; one that is in a pass already ends with the pass, so that what
        the caller frees is no longer in use.
        """
        call = (item, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        try:
            return await asyncio.shield(call[1])
        except asyncio.CancelledError:
            if call in self._waiting:
                self._waiting.remove(call)
            else:
                await asyncio.wait([call[1]])
            raise

    async def _work(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # whoever was woken by the last pass can join this one
                batch, self._waiting = self._waiting, []
                if batch:
                    await self._pass(batch)
        finally:
            self._task = None

    async def _pass(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        self.passes += 1
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._thread, self._run, [item for item, _ in batch])
        except Exception as error:  # whoever asked has to know; the next pass may do better
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)
