"""A server whose replicas follow demand down to none: how long it needs to wake, and waking it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

_LEAST = 0.2
"""Of the start-up time that a start is expected to take still, however long ago it began."""
_PATIENCE = 3.0


class Waking:
    """Serve starts a replica for whatever waits at the handle; a probe that waits there is enough."""

    def __init__(
        self, startup_s: float, probe: Callable[[float], Awaitable[bool]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`startup_s` is how long a replica needs by the configuration; `probe` returns when one answers or its time is up."""
        self._startup_s = startup_s
        self._probe = probe
        self._clock = clock
        self._task: asyncio.Task[bool] | None = None
        self._since = 0.0

    @property
    def begun(self) -> bool:
        """Whether a replica is being started for a probe of ours."""
        return self._task is not None and not self._task.done()

    @property
    def left_s(self) -> float:
        """Seconds until a replica can be expected to answer, if there is none now."""
        passed_s = self._clock() - self._since if self.begun else 0.0
        return max(self._startup_s - passed_s, _LEAST * self._startup_s)

    def wake(self) -> None:
        """Have a replica started; harmless while one is. Never waits."""
        if not self.begun:
            self._since = self._clock()
            self._task = asyncio.create_task(self._wait())

    async def _wait(self) -> bool:
        return await self._probe(_PATIENCE * self._startup_s + 1.0)
