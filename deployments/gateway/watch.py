"""Looks at the cluster now and then, so that no request has to."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from deployments.gateway.client import ModelClient

logger = logging.getLogger("ray.serve")

EVERY_S = 2.0
"""Seconds between two questions whether a server is in doubt."""
EVERY_AT_START_S, START_S = 0.25, 120.0
"""The same, and for how long, while a server has never been seen: whoever starts a cluster asks as soon as Serve says ready."""
AT_LEAST_EVERY_S = 10.0
"""Seconds after which the cluster is looked at though nothing is in doubt: a look costs some 50 ms of processor time."""
ELASTIC_EVERY_S = 4.0
"""The same where replicas may be gone without anything having failed."""
_PING_S = 2.0

Look = Callable[[], Awaitable[Mapping[str, int]]]
"""Tells how many replicas of each deployment run."""


class Watch:
    """Keeps each client's number of running replicas, and opens and closes its circuit breaker by it.

    A request to a deployment without replicas would wait for ever, and Ray's handle does not tell how many there are.
    """

    def __init__(self, clients: Sequence[ModelClient], look: Look, clock: Callable[[], float] = time.monotonic) -> None:
        self._clients = clients
        self._look = look
        self._clock = clock
        self._looked_at = float("-inf")
        self._unseen = set(clients)
        self._at_least_every_s = ELASTIC_EVERY_S if any(client.may_sleep for client in clients) else AT_LEAST_EVERY_S
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on, on the running event loop."""
        self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def once(self) -> None:
        """Look at everything if any server is in doubt or the last look is long ago."""
        in_doubt = [client.in_doubt() for client in self._clients]
        if not any(in_doubt) and self._clock() < self._looked_at + self._at_least_every_s:
            return
        running = await self._look()
        self._looked_at = self._clock()
        for client in self._clients:
            client.running = running.get(client.server.deployment_name, 0)
            if client.running == 0:
                client.has_none()
                continue
            self._unseen.discard(client)
            if client.breaker.may_be_tried(self._clock()) and await client.ping(_PING_S):
                client.breaker.try_out()

    def missing(self) -> list[str]:
        """Models of which no server can be reached."""
        live = {client.server.model for client in self._clients if client.breaker.why is None}
        return sorted({client.server.model for client in self._clients} - live)

    async def _run(self) -> None:
        started_at = self._clock()
        while True:
            try:
                await self.once()
            except Exception as error:  # the controller may restart; requests go on meanwhile
                logger.warning("cannot look at the cluster: %s", error)
            starting = self._unseen and self._clock() < started_at + START_S
            await asyncio.sleep(EVERY_AT_START_S if starting else EVERY_S)
