"""One server as the gateway sees it: a Ray handle behind a queue, a circuit breaker and, between tiers, the emulated link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import replace
from typing import Any, TypeVar

from ray.exceptions import RayTaskError
from ray.serve.handle import DeploymentHandle

from cluster.config import ModelConfig
from cluster.link import EmulatedLink
from cluster.servers import Server
from deployments.gateway.breaker import Breaker
from deployments.gateway.load import Load
from deployments.gateway.placement import Need, Placement
from deployments.gateway.seats import Seats
from deployments.gateway.unanswered import Unanswered
from deployments.gateway.waking import Waking
from deployments.gateway.wire import Call, Traffic, Wire
from deployments.messages import Completion, Delta, GenerateRequest, StageReport
from deployments.models.failures import unwrap
from policies.errors import DeadlineExceeded, EngineUnavailable, IsthmusError, ServiceError

T = TypeVar("T")
_INSTANT_S = 0.001
"""A wait that is not worth an entry."""
_PATIENCE_S = 1.0
_PATIENCE = 3.0
"""A timeout speaks against the server only after this many seconds and this many times its usual ones: a caller who
allows ten milliseconds must not close the server to everybody."""
_ANY = Need(service=0, size=0, max_tokens=1, until=0.0)
"""Of a request whose server was not chosen but given."""


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
        # Of a model that may grow all places count from the start: what waits for more replicas must wait where Serve sees it.
        self.seats = Seats(server.deployment_name, model.max_ongoing * max(1, model.most_replicas), model.max_queued)
        self.running = model.replicas
        """Replicas that run, as far as the last look at the cluster told."""
        self._load = Load(model.places)
        may_sleep = model.scaling is not None and model.scaling.min_replicas == 0
        self._waking = Waking(model.scaling.startup_s, self.ping) if model.scaling and may_sleep else None
        self._wire = Wire(handle, link, traffic, self._refuse_if_down)
        self._unanswered = Unanswered()
        self._usual_s = 0.0

    async def complete(self, request: GenerateRequest, until: float, placement: Placement | None = None) -> Completion:
        """The whole text in one piece: the cheap way. `placement`, if given, hears what becomes of it and is ended."""
        call = self._call(request, until, placement)
        try:
            self._refuse_if_down()
            self._refuse_if_asleep(until)
            completion = await self._answered(call, until, self._complete_once(call))
            report = self._succeeded(call, completion.report)
            return completion if report is completion.report else replace(completion, report=report)
        finally:
            call.placement.withdraw()

    async def stream(
        self, request: GenerateRequest, first_until: float, until: float, placement: Placement | None = None
    ) -> AsyncGenerator[Delta, None]:
        """The text as it comes; the first piece must be there at `first_until`. Closing it stops the engine."""
        call = self._call(request, until, placement)
        try:
            self._refuse_if_down()
            self._refuse_if_asleep(first_until)
            await self._answered(call, first_until, self.seats.enter(), first=False)
            try:
                async with aclosing(self._wire.stream(call)) as arriving:
                    delta = await self._answered(call, first_until, anext(arriving))
                    call.placement.started()
                    while delta.finish_reason is None:
                        yield delta
                        delta = await self._answered(call, until, anext(arriving), first=False)
                    yield self._last(call, delta)
            finally:
                self.seats.leave()
        finally:
            call.placement.withdraw()

    @property
    def turns(self) -> int:
        """How often one request may be tried here: once more than one with replicas to spare after losing one."""
        return 2 if self.running > 1 else 1

    @property
    def may_sleep(self) -> bool:
        """Whether its replicas may come and go, down to none."""
        return self._waking is not None

    @property
    def starting_s(self) -> float:
        """Seconds until a model that sleeps can be expected to answer; 0 for one that does not."""
        return self._waking.left_s if self._waking and not self.running else 0.0

    def wake(self) -> None:
        """Have a replica of a sleeping model started; without effect on any other."""
        if self._waking and not self.running:
            self._waking.wake()

    @property
    def wait_s(self) -> float:
        """Seconds that a request sent now can be expected to wait for its turn, behind those of this gateway."""
        return self.starting_s + self._load.wait_s(self.seats.taken + self.seats.waiting, self.running)

    @property
    def refusal(self) -> str | None:
        """Why a request sent now would be refused at once; None if it would not be."""
        if self.breaker.why is not None:
            return f"is down ({self.breaker.why})"
        return f"has a full queue ({self.seats.waiting} wait)" if self.seats.full else None

    async def ping(self, timeout_s: float) -> bool:
        """Whether a replica answers."""
        return await self._wire.ping(timeout_s)

    def in_doubt(self) -> bool:
        """Whether it is left alone, or requests wait for it and none was answered since this was last asked."""
        silent = self._unanswered.silent()
        starting = self._waking is not None and not self.running and self._waking.begun
        return silent or starting or self.breaker.why is not None

    def has_none(self) -> None:
        """No replica runs. A model that may sleep is asleep then, and any other is lost.

        Requests that wait for a replica and would be answered too late by a new one are ended, so that they can go elsewhere.
        """
        if self._waking is None:
            self.lost("no replica is running")
            return
        self._unanswered.end(before=asyncio.get_running_loop().time() + self.starting_s)

    def lost(self, why: str) -> None:
        """No replica is left: let nothing pass, and end what waits for a first word."""
        self.breaker.open(why)
        self._unanswered.end()

    def _call(self, request: GenerateRequest, until: float, placement: Placement | None) -> Call:
        return Call(request, until, placement or Placement(self, _ANY), asyncio.get_running_loop().time())

    def _refuse_if_down(self) -> None:
        if self.breaker.why is not None:
            raise self._unavailable(self.breaker.why)

    def _refuse_if_asleep(self, until: float) -> None:
        """A request that a new replica would answer too late wakes the model for those that come after."""
        if self.starting_s and asyncio.get_running_loop().time() + self.starting_s > until:
            self.wake()
            raise self._unavailable(f"it was asleep, and starts in about {self.starting_s:.0f} s")

    async def _complete_once(self, call: Call) -> Completion:
        await self.seats.enter()
        try:
            return await self._wire.complete(call)
        finally:
            self.seats.leave()

    async def _answered(self, call: Call, until: float, awaited: Awaitable[T], *, first: bool = True) -> T:
        """The result of `awaited`; failures as our own types, and noted in the breaker."""
        try:
            async with asyncio.timeout_at(until) as timer:
                return await (self._unanswered.first(timer, awaited) if first else awaited)
        except TimeoutError:
            raise self._timed_out(call) from None
        except IsthmusError:
            raise
        except Exception as error:
            raise self._failed(call, error) from error

    def _failed(self, call: Call, error: Exception) -> Exception:
        meaning = unwrap(error, self.server.model)
        if isinstance(meaning, ServiceError):
            call.placement.failed()
        if isinstance(meaning, EngineUnavailable):
            replica_lives = isinstance(error, RayTaskError)  # it could still raise; a remote service was not reached
            if replica_lives or self.running > 1 or self._waking:
                self._count_failure(call, meaning.why)
            else:
                self.lost(meaning.why)
        elif isinstance(meaning, DeadlineExceeded):
            return self._timed_out(call)
        return meaning

    def _timed_out(self, call: Call) -> Exception:
        call.placement.failed()
        if self.breaker.why is not None:
            return self._unavailable(self.breaker.why)
        if call.sent_at is not None and not self.starting_s:
            waited_s = asyncio.get_running_loop().time() - call.sent_at
            if waited_s > max(_PATIENCE_S, _PATIENCE * self._usual_s):
                self._count_failure(call, f"no answer for {waited_s:.1f} s")
        return TimeoutError()

    def _count_failure(self, call: Call, why: str) -> None:
        now = asyncio.get_running_loop().time()
        self.breaker.failed(call.sent_at or now, now, why)

    def _last(self, call: Call, delta: Delta) -> Delta:
        """The end of a stream, accounted for before the reader has it, who may read no further."""
        if delta.report is None:
            return delta
        call.down_bytes = len(delta.text)
        return replace(delta, report=self._succeeded(call, delta.report))

    def _succeeded(self, call: Call, report: StageReport) -> StageReport:
        """Note an answer. The report is returned with the time in this gateway's own queue in it: that is a wait, too."""
        self.breaker.succeeded()
        if call.sent_at is None or call.began_at is None:
            return report
        now = asyncio.get_running_loop().time()
        held_s = now - call.sent_at
        self._usual_s = self.seats.note(held_s)
        self._load.note(max(0.0, held_s - report.wait_s))
        bits = 8.0 * (call.up_bytes + call.down_bytes)
        call.placement.answered(report, now - call.began_at - report.seconds, bits)
        waited_s = call.began_at - call.asked_at
        if waited_s < _INSTANT_S:
            return report
        return replace(report, seconds=report.seconds + waited_s, wait_s=report.wait_s + waited_s)

    def _unavailable(self, why: str) -> EngineUnavailable:
        return EngineUnavailable(self.server.model, f"at {self.server.site}: {why}")
