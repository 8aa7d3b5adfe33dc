"""The cloud's side of the protocol: takes messages of all sessions, keeps their contexts, batches what they ask."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from dataclasses import replace

from cluster.energy import EnergyMeter
from deployments.models.split.batcher import Batcher
from deployments.models.split.cloud import CloudPart, Job
from deployments.models.split.codec import position_bytes, wire_named
from deployments.models.split.context import Context
from deployments.models.split.draw import Draw
from deployments.models.split.errors import FrameError, SplitError
from deployments.models.split.frames import Frame, Kind, Question, pack_tokens, unpack

CHUNK = 512
"""Positions of one session in one pass: a long prompt must not hold up the others for its whole length."""
WORK = struct.Struct("<If")
"""Microseconds and joules of an answer, before its tokens."""


class Desk:
    """Contexts by session. When they take more than `memory_bytes`, those unused for longest are forgotten: the edge then
    sends their states again. So they are at the end of an answer, when their owner has gone, and after `idle_s`.
    """

    def __init__(
        self,
        part: CloudPart,
        thread: Executor,
        memory_bytes: int,
        idle_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        meter: EnergyMeter | None = None,
    ) -> None:
        """`part` computes in `thread`; with a `meter` answers say how many joules they took."""
        self._part = part
        self._batcher = Batcher(part.run, thread)
        self._memory_bytes = memory_bytes
        self._idle_s = idle_s
        self._clock = clock
        self._meter = meter
        self._contexts: dict[int, Context] = {}
        self._owners: dict[int, Hashable] = {}
        self.positions = 0
        """Positions computed so far."""

    @property
    def passes(self) -> int:
        """Forward passes so far."""
        return self._batcher.passes

    @property
    def sessions(self) -> int:
        """Sessions that it remembers."""
        return len(self._contexts)

    @property
    def nbytes(self) -> int:
        """Memory of all contexts."""
        return sum(context.nbytes for context in self._contexts.values())

    async def handle(self, message: bytes, owner: Hashable = None) -> bytes:
        """Take the frames of `message` in order; the answer to its ASK, or a refusal, else nothing.

        Raises FrameError for a message that was harmed: whoever carries messages sees to it that it is sent again.
        """
        for frame in unpack(message):
            try:
                answer = await self._take(frame, owner)
            except SplitError as error:
                if isinstance(error, FrameError):
                    raise
                return Frame(Kind.REFUSED, self._part.fingerprint, frame.session, payload=str(error).encode()).pack()
            if answer is not None:
                return answer.pack()
        return b""

    def leave(self, owner: Hashable) -> None:
        """Forget all sessions of `owner`, whose connection has ended."""
        for session in [session for session, theirs in self._owners.items() if theirs == owner]:
            self._forget(session)

    def sweep(self) -> None:
        """Forget sessions that nothing was heard of for `idle_s`; to be called now and then."""
        until = self._clock() - self._idle_s
        for session in [s for s, c in self._contexts.items() if c.used_at < until and not c.lock.locked()]:
            self._forget(session)

    async def _take(self, frame: Frame, owner: Hashable) -> Frame | None:
        if frame.kind is Kind.CLOSE:
            self._forget(frame.session)
            return None
        if frame.model != self._part.fingerprint:
            return self._refusal(
                frame,
                f"the states are of model {frame.model:08x}, this is {self._part.fingerprint:08x}: give both parts the "
                "same checkpoint and the same exits",
            )
        if frame.kind is Kind.ASK:
            question = Question.unpack(frame.payload)
            if not frame.count or any(token >= self._part.vocabulary for token in question.generated):
                raise FrameError("a question is about at least one position, and holds tokens of the vocabulary")
            if question.states:
                self._context(frame.session, owner).put(_last_states(frame, question.states, self._part.width))
                self._make_room(frame.session)
            return await self._answer(frame, question.generated)
        if frame.kind in (Kind.OPEN, Kind.STATES):
            context = self._context(frame.session, owner)
            if frame.kind is Kind.OPEN:
                context.draw = Draw.unpack(frame.payload)
            elif self._make_room(frame.session, len(frame.payload)):
                context.put(frame)  # else its states are found missing, and the question that brings them is told why not
            return None
        raise FrameError(f"{frame.kind.name} is nothing that an edge says")

    async def _answer(self, ask: Frame, generated: Sequence[int]) -> Frame:
        context = self._contexts.get(ask.session)
        if context is None or context.draw is None:
            return Frame(Kind.MISSING, ask.model, ask.session, ask.epoch, afresh=True)
        async with context.lock:
            context.used_at = self._clock()
            context.absorb()
            if ask.epoch != context.epoch:
                return Frame(Kind.MISSING, ask.model, ask.session, context.epoch, context.cache.length)
            if ask.first < context.cache.length:
                told = context.repeated(ask.first, ask.count)
                if told is not None:
                    return self._tokens(ask, told, 0.0, 0.0)
                context.go_back(ask.first)
            missing = context.missing(ask.first + ask.count)
            if missing is not None:
                return Frame(Kind.MISSING, ask.model, ask.session, context.epoch, missing)
            return await self._tell(context, Job(context, context.draw, 0, ask.count, generated), ask)

    async def _tell(self, context: Context, job: Job, ask: Frame) -> Frame:
        """What the question of `job` is answered; all its states are there."""
        end = ask.first + ask.count
        grown = context.cache.nbytes_for(end)
        if not self._make_room(ask.session, grown - context.cache.nbytes):
            taken, bound = self.nbytes - context.nbytes, self._memory_bytes
            return self._refusal(
                ask, f"{end} positions take {grown} bytes; {taken} of {bound} are taken by sessions that are at work"
            )
        context.cache.reserve(end - context.cache.length)  # taken now: whoever asks before the pass must not be promised it
        began = self._clock()
        span = self._meter.span() if self._meter else None
        try:
            told = await self._compute(context, end, job)
        finally:
            joules = span.end() if span else 0.0
        if context.failure is not None:
            return self._refusal(ask, str(context.failure))
        return self._tokens(ask, told, self._clock() - began, joules)

    async def _compute(self, context: Context, end: int, job: Job) -> list[int]:
        positions = end - context.cache.length
        self.positions += positions
        while positions > max(CHUNK, job.asked):
            step = min(CHUNK, positions - job.asked)
            await self._batcher(replace(job, positions=step, asked=0))
            positions -= step
        return await self._batcher(replace(job, positions=positions))

    def _context(self, session: int, owner: Hashable) -> Context:
        context = self._contexts.get(session)
        if context is None:
            context = self._contexts[session] = Context(self._part.new_cache(), self._part.width, self._clock())
            self._owners[session] = owner
        context.used_at = self._clock()
        return context

    def _make_room(self, session: int, more: int = 0) -> bool:
        """Forget sessions, the one unused for longest first, until all fit and `more` bytes beside them; whether they do.

        That of the caller and those at work stay.
        """
        excess = self.nbytes + more - self._memory_bytes
        for other in sorted(self._contexts, key=lambda s: self._contexts[s].used_at):
            if excess <= 0:
                break
            context = self._contexts[other]
            if other != session and not context.lock.locked():
                excess -= context.nbytes
                self._forget(other)
        return excess <= 0

    def _forget(self, session: int) -> None:
        self._contexts.pop(session, None)
        self._owners.pop(session, None)

    def _tokens(self, ask: Frame, told: list[int], seconds: float, joules: float) -> Frame:
        payload = WORK.pack(min(int(seconds * 1e6), 2**32 - 1), joules) + pack_tokens(told)
        return Frame(Kind.TOKENS, ask.model, ask.session, ask.epoch, ask.first, ask.count, payload=payload)

    def _refusal(self, frame: Frame, why: str) -> Frame:
        return Frame(Kind.REFUSED, self._part.fingerprint, frame.session, payload=why.encode())


def _last_states(ask: Frame, states: bytes, width: int) -> Frame:
    """The STATES frame that an ASK frame has in it."""
    count = len(states) // position_bytes(wire_named(ask.wire), width)
    first = ask.first + ask.count - count
    if first < 0:
        raise FrameError(f"{count} positions end before position {ask.first + ask.count} of a text")
    return replace(ask, kind=Kind.STATES, first=first, count=count, payload=states)
