"""The edge's side of one session: what the cloud has of it, and what to send before a question."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, replace

from deployments.models.split.codec import Wire
from deployments.models.split.desk import WORK
from deployments.models.split.edge import Text
from deployments.models.split.errors import AnswerLate, CloudRefused, FrameError, LinkError
from deployments.models.split.frames import Frame, Kind, Question, unpack, unpack_tokens
from deployments.models.split.link import Link

FLUSH_BYTES = 2048
"""Fewer bytes of states wait for more, so that the frames' own bytes stay below two in a hundred."""
MOST_PER_FRAME = 65535
_TRIES = 3


@dataclass(slots=True)
class Traffic:
    """What one answer sent and received, in bytes, and how often it asked."""

    up: int = 0
    down: int = 0
    asks: int = 0
    resent: int = 0
    """Positions that were sent again because the cloud did not have them."""
    wait_s: float = 0.0
    """Seconds between questions and their answers, the cloud's computing included."""
    cloud_s: float = 0.0
    """Seconds that the cloud computed, or waited for its turn."""
    cloud_j: float = 0.0
    """Joules that the cloud says it took."""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer of the cloud."""

    tokens: list[int]
    round_trip_s: float
    """Seconds on the way, the cloud's own not counted."""
    cloud_s: float


class Uplink:
    """Sends each position once, as soon as there is a frame's worth of them, beside the edge's computing."""

    def __init__(self, link: Link, text: Text, model: int, wire: Wire) -> None:
        self._link = link
        self._text = text
        self._model = model
        self._wire = wire
        self._session = secrets.randbits(64)
        self._epoch = 0
        self._cut: int | None = None
        """Where the epoch begins, until that is sent."""
        self._epoch_begins = 0
        self._sent = 0
        self._opened = False
        self.traffic = Traffic()

    def offer(self) -> None:
        """New states are there; send them if they are worth a frame."""
        waiting = self._text.states[self._sent :]
        if sum(map(len, waiting)) >= FLUSH_BYTES:
            self._upload(self._opening() + self._states())

    def take_back(self, length: int) -> None:
        """The text was cut to `length` because an answer of the cloud said so."""
        if length < self._sent:
            self._sent = self._cut = self._epoch_begins = length
            self._epoch = (self._epoch + 1) % 65536

    async def ask(self, first: int, count: int, timeout_s: float | None = None) -> Told:
        """The tokens after the positions `first`..`first + count - 1`, which have been read.

        Raises AnswerLate after `timeout_s`, LinkError when the link gives no answer, CloudRefused when the cloud will not go on
        with this session.
        """
        began = time.perf_counter()
        self.traffic.asks += 1
        try:
            async with asyncio.timeout(timeout_s):
                for _ in range(_TRIES):
                    answer = await self._exchange(first, count)
                    if answer.kind is Kind.TOKENS:
                        return self._told(answer, count, time.perf_counter() - began)
                    self._resend_from(answer)
        except TimeoutError:
            raise AnswerLate(f"no answer within {timeout_s:g} s") from None
        finally:
            self.traffic.wait_s += time.perf_counter() - began
        raise LinkError(f"the cloud still lacks positions after {_TRIES} tries")

    def close(self) -> None:
        """The answer is complete: let the cloud forget it."""
        if self._opened:
            self._upload(Frame(Kind.CLOSE, *self._name).pack())

    async def _exchange(self, first: int, count: int) -> Frame:
        message = self._opening()
        while len(self._text.states) - self._sent > MOST_PER_FRAME:
            message += self._states()
        message += self._question(first, count)
        self.traffic.up += len(message)
        reply = await self._link.ask(message)
        self.traffic.down += len(reply)
        try:
            answer = next(unpack(reply), None)
        except FrameError as error:
            raise LinkError(str(error)) from error
        if answer is None or answer.session != self._session:
            raise LinkError("the answer is of another session")
        if answer.kind is Kind.REFUSED:
            raise CloudRefused(answer.payload.decode(errors="replace"))
        if answer.kind is Kind.TOKENS and (answer.first, answer.count, answer.epoch) != (first, count, self._epoch):
            raise LinkError("the answer is to another question")
        return answer

    def _told(self, answer: Frame, count: int, elapsed_s: float) -> Told:
        if len(answer.payload) < WORK.size:
            raise LinkError(f"{len(answer.payload)} bytes are no answer")
        microseconds, joules = WORK.unpack_from(answer.payload)
        tokens = unpack_tokens(answer.payload[WORK.size :])
        if len(tokens) != count:
            raise LinkError(f"the cloud gave {len(tokens)} tokens for {count}")
        cloud_s = microseconds / 1e6
        self.traffic.cloud_s += cloud_s
        self.traffic.cloud_j += joules
        return Told(tokens, max(0.0, elapsed_s - cloud_s), cloud_s)

    def _resend_from(self, missing: Frame) -> None:
        start = missing.first
        if missing.afresh:
            self._opened, start = False, 0
        elif missing.epoch != self._epoch:
            # It has not heard of the last cut: what it has of positions behind that is void.
            start = min(start, self._epoch_begins)
        self.traffic.resent += max(0, self._sent - start)
        self._sent = min(self._sent, start)
        if missing.afresh or missing.epoch != self._epoch:
            self._cut = self._sent if self._epoch else None

    def _opening(self) -> bytes:
        if self._opened:
            return b""
        self._opened = True
        return Frame(Kind.OPEN, *self._name, payload=self._text.draw.pack()).pack()

    def _states(self) -> bytes:
        """The next positions that the cloud has not been sent, in a frame."""
        first, rows = self._sent, self._text.states[self._sent : self._sent + MOST_PER_FRAME]
        return self._bringing(Frame(Kind.STATES, *self._name, first, len(rows), payload=b"".join(rows)), len(rows)).pack()

    def _question(self, first: int, count: int) -> bytes:
        """With the states up to the last position that it is about: a second frame would cost more than it says."""
        generated = self._text.tokens[self._text.prompt_length : first + count] if self._text.draw.needs_text else []
        rows = self._text.states[self._sent : first + count]
        payload = Question(generated, b"".join(rows)).pack()
        return self._bringing(Frame(Kind.ASK, *self._name, first, count, payload=payload), len(rows)).pack()

    def _bringing(self, frame: Frame, positions: int) -> Frame:
        """`frame`, marked as one with the next `positions` states, which count as sent with that."""
        if not positions:
            return frame
        is_cut, self._cut = self._cut is not None, None
        self._sent += positions
        return replace(frame, wire=int(self._wire), afresh=is_cut)

    @property
    def _name(self) -> tuple[int, int, int]:
        """What every frame begins with: model, session, epoch."""
        return self._model, self._session, self._epoch

    def _upload(self, message: bytes) -> None:
        self.traffic.up += len(message)
        self._link.upload(message)
