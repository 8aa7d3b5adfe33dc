"""The edge of a split model at work: all answers of one process share its passes, its link and what was measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from deployments.models.split.batcher import Batcher
from deployments.models.split.codec import Wire
from deployments.models.split.draw import Draw
from deployments.models.split.edge import EdgePart, Guess, Text
from deployments.models.split.errors import AnswerLate, LinkError
from deployments.models.split.link import Link
from deployments.models.split.uplink import Told, Uplink
from policies.split.backoff import Backoff
from policies.split.pace import Pace

CHUNK = 256
"""Tokens of a prompt in one pass: while the next ones are computed, the states of these are on their way."""


class Speaker:
    """What an answer needs of edge and cloud, with the clock kept."""

    def __init__(
        self, part: EdgePart, thread: Executor, link: Link | None, wire: Wire, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`thread` computes; without a `link` every mode is standalone."""
        self._part = part
        self._link = link
        self._wire = wire
        self._clock = clock
        self._reading: Batcher[Text, Guess | None] = Batcher(self._read_chunks, thread)
        self._deepening: Batcher[Text, Guess] = Batcher(part.deepen, thread)
        self.pace = Pace()
        self.backoff = Backoff()
        self.why = ""
        """Why the last question that failed did."""

    @property
    def passes(self) -> int:
        """Passes through the lower layers so far."""
        return self._reading.passes

    def open(self, prompt: Sequence[int], draw: Draw, *, is_sent: bool) -> Text:
        """A text to be continued."""
        return self._part.open(prompt, draw, is_sent=is_sent)

    def connect(self, text: Text) -> Uplink | None:
        """A session of `text` in the cloud; None without a link, or if it is not to be sent."""
        return Uplink(self._link, text, self._part.fingerprint, self._wire) if self._link and text.is_sent else None

    async def read(self, text: Text, uplink: Uplink | None) -> Guess:
        """Layers 1..a over all unread tokens, their states on the way to the cloud; what the first exit says.

        Raises StateError for states that cannot cross the link or are no numbers.
        """
        guess = None if text.unread else text.first
        while guess is None:
            guess = await self._reading(text)
            if text.failure is not None:
                raise text.failure
            if uplink is not None:
                uplink.offer()
        return guess

    async def deepen(self, text: Text) -> Guess:
        """Layers a+1..b over all that left early; what the second exit says. Raises StateError for states that are no numbers."""
        guess = text.second or await self._deepening(text)
        if text.failure is not None:
            raise text.failure
        return guess

    async def ask(self, uplink: Uplink, first: int, count: int, fresh: int, left_s: float | None) -> Told | None:
        """The full model's word, None if it does not come in time. `fresh` positions are new to the cloud.

        Raises CloudRefused when the cloud does not go on with this session; others may do better.
        """
        limit_s = self.pace.limit_s(fresh)
        try:
            told = await uplink.ask(first, count, limit_s if left_s is None else min(limit_s, left_s))
        except LinkError as error:
            self.why = str(error)
            was_hasty = left_s is not None and left_s < min(limit_s, self.pace.late_s(fresh))
            if not (isinstance(error, AnswerLate) and was_hasty):  # a caller without time must not close the link to all others
                self.backoff.failed(self._clock())
            return None
        self.backoff.succeeded()
        self.pace.round_trip.note(told.round_trip_s)
        self.pace.cloud.note(fresh, told.cloud_s)
        return told

    def why_not(self, left_s: float | None, tokens_left: int, fresh: int) -> str | None:
        """Why link or time left allow no question; None if they do."""
        if not self.backoff.allows(self._clock()):
            return self.why
        return None if self.pace.affords(left_s, tokens_left, fresh) else "the time left was too short for a question"

    def now(self) -> float:
        """Seconds on the clock of all answers."""
        return self._clock()

    def _read_chunks(self, texts: Sequence[Text]) -> list[Guess | None]:
        return self._part.read(texts, CHUNK)
