"""The way to one server: a Ray handle and, between tiers, the emulated link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ray.serve.handle import DeploymentHandle, DeploymentResponse, DeploymentResponseGenerator

from cluster.link import EmulatedLink
from deployments.gateway.crossing import delayed
from deployments.gateway.placement import Placement
from deployments.messages import Completion, Delta, GenerateRequest

Traffic = Callable[[int, int], None]
"""Told the bytes of text that went to the other tier and came from there."""


@dataclass(slots=True)
class Call:
    """One request on its way; `began_at` is None until it has a seat, `sent_at` until it has crossed the link."""

    request: GenerateRequest
    until: float
    placement: Placement
    asked_at: float
    began_at: float | None = None
    sent_at: float | None = None
    up_bytes: int = 0
    down_bytes: int = 0


class Wire:
    """Makes calls; whatever ends one, the engine stops."""

    def __init__(
        self,
        handle: DeploymentHandle[Any],
        link: EmulatedLink | None,
        traffic: Traffic | None,
        refuse_if_down: Callable[[], None],
    ) -> None:
        """`link` and `traffic` are None within a tier; `refuse_if_down` is asked again once a request has crossed."""
        self._link = link
        self._traffic = traffic
        self._refuse_if_down = refuse_if_down
        self._complete: DeploymentHandle[Any] = handle.complete
        self._stream: DeploymentHandle[Any] = handle.options(stream=True).stream
        self._ping: DeploymentHandle[Any] = handle.check_health

    async def complete(self, call: Call) -> Completion:
        """The whole answer, when it has crossed the link."""
        response: DeploymentResponse[Completion] = self._complete.remote(await self._send(call))
        try:
            completion: Completion = await response
        except BaseException:
            _cancel(response)
            raise
        if self._traffic is not None:
            call.down_bytes = len(completion.text.encode())
            self._traffic(0, call.down_bytes)
            if self._link is not None:
                await self._link.cross(call.down_bytes, "down")
        return completion

    def stream(self, call: Call) -> AsyncGenerator[Delta, None]:
        """The pieces as they arrive."""
        deltas = self._deltas(call)
        return delayed(deltas, self._link) if self._link else deltas

    async def ping(self, timeout_s: float) -> bool:
        """Whether a replica answers."""
        response: DeploymentResponse[Any] = self._ping.remote()
        try:
            async with asyncio.timeout(timeout_s):
                await response
        except Exception:  # whatever it is, the server is not well
            _cancel(response)
            return False
        return True

    async def _deltas(self, call: Call) -> AsyncGenerator[Delta, None]:
        response: DeploymentResponseGenerator[Delta] = self._stream.remote(await self._send(call))
        done = False
        try:
            async for delta in response:
                done = delta.finish_reason is not None
                if self._traffic is not None:
                    self._traffic(0, len(delta.text.encode()))
                yield delta
        finally:
            if not done:
                _cancel(response)

    async def _send(self, call: Call) -> GenerateRequest:
        """The request with the time that is left, once it has crossed the link."""
        clock = asyncio.get_running_loop().time
        call.began_at = clock()
        if self._traffic is not None:
            call.up_bytes = size_of(call.request)
            self._traffic(call.up_bytes, 0)
            if self._link is not None:
                await self._link.cross(call.up_bytes, "up")
        self._refuse_if_down()  # it may have gone down while the request waited for a seat
        call.sent_at = now = clock()
        call.placement.sent()
        return replace(call.request, timeout_s=max(0.0, call.until - now))


def size_of(request: GenerateRequest) -> int:
    """Bytes of its text."""
    text = "".join(message["content"] for message in request.messages) if request.prompt is None else request.prompt
    return len(text.encode())


def _cancel(response: DeploymentResponse[Any] | DeploymentResponseGenerator[Any]) -> None:
    """Stop the engine. Cancelling a call that has already failed may raise its error again."""
    with suppress(Exception):
        response.cancel()
