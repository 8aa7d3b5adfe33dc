"""The outermost ASGI application: times, admits and counts requests, and turns every refusal into an OpenAI-shaped error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deployments.gateway import replies
from deployments.gateway.deadline import arrival
from deployments.gateway.keys import Keys
from deployments.gateway.metrics import Metrics
from deployments.gateway.routes import Routes
from deployments.gateway.seats import Seats
from deployments.gateway.visit import Visit
from policies.errors import DeadlineExceeded, IsthmusError

logger = logging.getLogger("ray.serve")

Hook = Callable[[], Awaitable[None]]


class Door:
    """Serves `routes`. Requests under /v1/ need a key, and those with a body one of the gateway's seats."""

    def __init__(
        self, routes: Routes, keys: Keys, seats: Seats, metrics: Metrics, timeout_s: float, start: Hook, stop: Hook
    ) -> None:
        """A request waits at most `timeout_s` for a seat; `start` and `stop` run when the event loop begins and ends to serve."""
        self._routes = routes
        self._keys = keys
        self._seats = seats
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._start, self._stop = start, stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection: a request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            headers = dict(scope["headers"])
            visit = Visit(headers, receive, "", arrival(headers, asyncio.get_running_loop().time()))
            try:
                response = await self._respond(scope, visit)
                visit.status = response.status_code
                await response(scope, receive, send)
            except asyncio.CancelledError:
                visit.status = 499  # the caller left
                raise
            finally:
                if visit.seated_at is not None:
                    self._seats.note(asyncio.get_running_loop().time() - visit.seated_at)
                    self._seats.leave()
                self._metrics.request(visit.path, visit.site, visit.status)

    async def _respond(self, scope: Scope, visit: Visit) -> Response:
        try:
            handler, visit.tail = self._routes.find(scope["method"], scope["path"])
            if scope["path"].startswith("/v1/"):
                self._keys.check(visit.headers.get(b"authorization"))
            if scope["method"] == "POST":
                await self._sit_down(visit)
            return await handler(visit)
        except IsthmusError as error:
            return replies.error_reply(error)
        except Exception:
            logger.exception("a request to %s failed", scope["path"])
            return replies.internal_error()

    async def _sit_down(self, visit: Visit) -> None:
        try:
            async with asyncio.timeout_at(visit.arrived_at + self._timeout_s):
                await self._seats.enter()
        except TimeoutError:
            raise DeadlineExceeded(self._timeout_s, "waiting for the gateway") from None
        visit.seated_at = asyncio.get_running_loop().time()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})
