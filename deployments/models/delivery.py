"""From an engine to the network: few, larger deltas, and not a moment longer than the caller waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from deployments.messages import Completion, Delta, GenerateRequest
from deployments.models.base import Engine
from deployments.models.inbox import Inbox
from policies.errors import DeadlineExceeded

GAP_S = 0.02
"""Tokens are gathered for this long after each delta: a Ray hop costs milliseconds of processor time, whatever it carries."""


async def complete(engine: Engine, request: GenerateRequest) -> Completion:
    """The whole text. Raises DeadlineExceeded after `request.timeout_s`, having stopped the engine."""
    try:
        async with asyncio.timeout(request.timeout_s):
            return await engine.complete(request)
    except TimeoutError:
        raise _too_late(request) from None


async def stream(engine: Engine, request: GenerateRequest, gap_s: float = GAP_S) -> AsyncGenerator[Delta, None]:
    """The engine's deltas: the first at once, then all that came in `gap_s` as one, the last at once again.

    Raises DeadlineExceeded after `request.timeout_s`. Whenever it ends, the engine has been told to stop.
    """
    inbox = Inbox()
    task = asyncio.create_task(_pump(engine, request, inbox))
    try:
        while True:
            delta = await inbox.take()
            yield delta
            if delta.finish_reason is not None:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(gap_s):
                    await inbox.closed.wait()
    finally:
        task.cancel()
        # gather, not await: a cancellation of ours that arrives meanwhile must not be mistaken for the task's.
        await asyncio.gather(task, return_exceptions=True)


async def _pump(engine: Engine, request: GenerateRequest, inbox: Inbox) -> None:
    try:
        async with asyncio.timeout(request.timeout_s), aclosing(engine.stream(request)) as deltas:
            async for delta in deltas:
                inbox.put(delta)
    except TimeoutError:
        inbox.fail(_too_late(request))
    except Exception as error:
        inbox.fail(error)
    finally:
        # Without effect after a proper end: no caller shall wait for ever on an engine that breaks its contract.
        inbox.fail(RuntimeError("the stream of an engine ended without a finish reason"))


def _too_late(request: GenerateRequest) -> DeadlineExceeded:
    return DeadlineExceeded(request.timeout_s or 0.0, "generation")
