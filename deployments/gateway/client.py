"""One server as the gateway sees it: a Ray handle behind a queue, a circuit breaker and, between tiers, the emulated link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ray.exceptions import RayTaskError
from ray.serve.handle import DeploymentHandle, DeploymentResponse, DeploymentResponseGenerator

from cluster.config import ModelConfig
from cluster.link import EmulatedLink
from cluster.servers import Server
from deployments.gateway.breaker import Breaker
from deployments.gateway.crossing import delayed
from deployments.gateway.load import Load, places_of
from deployments.gateway.placement import Need, Placement
from deployments.gateway.seats import Seats
from deployments.messages import Completion, Delta, GenerateRequest, StageReport
from deployments.models.failures import unwrap
from policies.errors import DeadlineExceeded, EngineUnavailable, IsthmusError, ServiceError

T = TypeVar("T")
Traffic = Callable[[int, int], None]
"""Told the bytes of text that went to the other tier and came from there."""

_PATIENCE_S = 1.0
_PATIENCE = 3.0
"""A timeout speaks against the server only after this many seconds and this many times its usual ones: a caller who
allows ten milliseconds must not close the server to everybody."""


_ANY = Need(service=0, size=0, max_tokens=1, until=0.0)
"""Of a request whose server was not chosen but given."""


@dataclass(slots=True)
class _Call:
    """One request on its way; `began_at` is None until it has a seat, `sent_at` until it has crossed the link."""

    request: GenerateRequest
    until: float
    placement: Placement
    began_at: float | None = None
    sent_at: float | None = None
    up_bytes: int = 0
    down_bytes: int = 0


class ModelClient:
    """Asks one server. Times `until` are on the event loop's clock; every call ends by then, and the engine stops too.

    Raises Overloaded when the queue is full, EngineUnavailable when no replica can be reached, TimeoutError at `until`,
    and what the engine raises.
    """

    def __init__(
        self,
        server: Server,
        model: ModelConfig,
        handle: DeploymentHandle[Any],
        link: EmulatedLink | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        """`link` is crossed by every call, and `traffic` told; both are None for a server on the gateway's own tier."""
        self.server = server
        self.model = model
        self.link = link
        self.breaker = Breaker()
        self.seats = Seats(server.deployment_name, model.max_ongoing * max(1, model.replicas), model.max_queued)
        self.running = model.replicas
        """Replicas that run, as far as the last look at the cluster told."""
        self._load = Load(places_of(model))
        self._traffic = traffic
        self._complete: DeploymentHandle[Any] = handle.complete
        self._stream: DeploymentHandle[Any] = handle.options(stream=True).stream
        self._ping: DeploymentHandle[Any] = handle.check_health
        self._unanswered: set[asyncio.Timeout] = set()
        self._answers = 0
        self._usual_s = 0.0

    async def complete(self, request: GenerateRequest, until: float, placement: Placement | None = None) -> Completion:
        """The whole text in one piece: the cheap way. `placement`, if given, hears what becomes of it and is ended."""
        call = _Call(request, until, placement or Placement(self, _ANY))
        try:
            self._refuse_if_down()
            completion = await self._answered(call, until, self._complete_once(call))
            self._succeeded(call, completion.report)
            return completion
        finally:
            call.placement.withdraw()

    async def stream(
        self, request: GenerateRequest, first_until: float, until: float, placement: Placement | None = None
    ) -> AsyncGenerator[Delta, None]:
        """The text as it comes; the first piece must be there at `first_until`. Closing it stops the engine."""
        call = _Call(request, until, placement or Placement(self, _ANY))
        try:
            self._refuse_if_down()
            await self._answered(call, first_until, self.seats.enter(), first=False)
            try:
                deltas = self._deltas(call)
                async with aclosing(delayed(deltas, self.link) if self.link else deltas) as arriving:
                    delta = await self._answered(call, first_until, anext(arriving))
                    call.placement.started()
                    yield delta
                    while delta.finish_reason is None:
                        delta = await self._answered(call, until, anext(arriving), first=False)
                        yield delta
                call.down_bytes = len(delta.text)
                self._succeeded(call, delta.report)
            finally:
                self.seats.leave()
        finally:
            call.placement.withdraw()

    @property
    def turns(self) -> int:
        """How often one request may be tried here: once more than one with replicas to spare after losing one."""
        return 2 if self.running > 1 else 1

    @property
    def wait_s(self) -> float:
        """Seconds that a request sent now can be expected to wait for its turn, behind those of this gateway."""
        return self._load.wait_s(self.seats.taken + self.seats.waiting, self.running)

    @property
    def refusal(self) -> str | None:
        """Why a request sent now would be refused at once; None if it would not be."""
        if self.breaker.why is not None:
            return f"is down ({self.breaker.why})"
        return f"has a full queue ({self.seats.waiting} wait)" if self.seats.full else None

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

    def in_doubt(self) -> bool:
        """Whether it is left alone, or requests wait for it and none was answered since this was last asked."""
        silent = bool(self._unanswered) and not self._answers
        self._answers = 0
        return silent or self.breaker.why is not None

    def lost(self, why: str) -> None:
        """No replica is left: let nothing pass, and end what waits for a first word, since Ray would let it wait for ever."""
        self.breaker.open(why)
        for timer in self._unanswered:
            if not timer.expired():
                timer.reschedule(0)

    def _refuse_if_down(self) -> None:
        if self.breaker.why is not None:
            raise self._unavailable(self.breaker.why)

    async def _complete_once(self, call: _Call) -> Completion:
        await self.seats.enter()
        try:
            response: DeploymentResponse[Completion] = self._complete.remote(await self._send(call))
            try:
                completion: Completion = await response
            except BaseException:
                _cancel(response)
                raise
            await self._receive(call, completion.text)
            return completion
        finally:
            self.seats.leave()

    async def _deltas(self, call: _Call) -> AsyncGenerator[Delta, None]:
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

    async def _send(self, call: _Call) -> GenerateRequest:
        """The request with the time that is left, once it has crossed the link."""
        clock = asyncio.get_running_loop().time
        call.began_at = clock()
        if self._traffic is not None:
            call.up_bytes = size_of(call.request)
            self._traffic(call.up_bytes, 0)
            if self.link is not None:
                await self.link.cross(call.up_bytes, "up")
        self._refuse_if_down()  # it may have gone down while the request waited for a seat
        call.sent_at = now = clock()
        call.placement.sent()
        return replace(call.request, timeout_s=max(0.0, call.until - now))

    async def _receive(self, call: _Call, text: str) -> None:
        if self._traffic is not None:
            call.down_bytes = len(text.encode())
            self._traffic(0, call.down_bytes)
            if self.link is not None:
                await self.link.cross(call.down_bytes, "down")

    async def _answered(self, call: _Call, until: float, awaited: Awaitable[T], *, first: bool = True) -> T:
        """The result of `awaited`; failures as our own types, and noted in the breaker."""
        try:
            async with asyncio.timeout_at(until) as timer:
                if not first:
                    return await awaited
                self._unanswered.add(timer)
                try:
                    result = await awaited
                finally:
                    self._unanswered.discard(timer)
                self._answers += 1
                return result
        except TimeoutError:
            raise self._timed_out(call) from None
        except IsthmusError:
            raise
        except Exception as error:
            raise self._failed(call, error) from error

    def _failed(self, call: _Call, error: Exception) -> Exception:
        meaning = unwrap(error, self.server.model)
        if isinstance(meaning, ServiceError):
            call.placement.failed()
        if isinstance(meaning, EngineUnavailable):
            replica_lives = isinstance(error, RayTaskError)  # it could still raise; a remote service was not reached
            if replica_lives or self.running > 1:
                self._count_failure(call, meaning.why)
            else:
                self.lost(meaning.why)
        elif isinstance(meaning, DeadlineExceeded):
            return self._timed_out(call)
        return meaning

    def _timed_out(self, call: _Call) -> Exception:
        call.placement.failed()
        if self.breaker.why is not None:
            return self._unavailable(self.breaker.why)
        if call.sent_at is not None:
            waited_s = asyncio.get_running_loop().time() - call.sent_at
            if waited_s > max(_PATIENCE_S, _PATIENCE * self._usual_s):
                self._count_failure(call, f"no answer for {waited_s:.1f} s")
        return TimeoutError()

    def _count_failure(self, call: _Call, why: str) -> None:
        now = asyncio.get_running_loop().time()
        self.breaker.failed(call.sent_at or now, now, why)

    def _succeeded(self, call: _Call, report: StageReport | None) -> None:
        self.breaker.succeeded()
        if call.sent_at is None or call.began_at is None:
            return
        now = asyncio.get_running_loop().time()
        held_s = now - call.sent_at
        self._usual_s = self.seats.note(held_s)
        self._load.note(max(0.0, held_s - (report.wait_s if report else 0.0)))
        if report is not None:
            bits = 8.0 * (call.up_bytes + call.down_bytes)
            call.placement.answered(report, now - call.began_at - report.seconds, bits)

    def _unavailable(self, why: str) -> EngineUnavailable:
        return EngineUnavailable(self.server.model, f"at {self.server.site}: {why}")


def size_of(request: GenerateRequest) -> int:
    """Bytes of its text."""
    text = "".join(message["content"] for message in request.messages) if request.prompt is None else request.prompt
    return len(text.encode())


def _cancel(response: DeploymentResponse[Any] | DeploymentResponseGenerator[Any]) -> None:
    """Stop the engine. Cancelling a call that has already failed may raise its error again."""
    with suppress(Exception):
        response.cancel()
