"""One answer of a split model, token by token."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from deployments.models.split.draw import Draw
from deployments.models.split.edge import Guess
from deployments.models.split.errors import CloudRefused
from deployments.models.split.speaker import Speaker
from deployments.models.split.uplink import Told, Traffic
from policies.split.backoff import Backoff
from policies.split.mode import Kind, Mode


class By(StrEnum):
    """Whose word a token is."""

    FIRST_EXIT = "first exit"
    SECOND_EXIT = "second exit"
    CLOUD = "cloud"
    ALONE = "edge alone"
    """The second exit's, since the cloud could not be asked although the mode wants it."""


@dataclass(frozen=True, slots=True)
class Said:
    """A token of the answer."""

    token: int
    by: By


@dataclass(slots=True)
class Tally:
    """What an answer was made of."""

    by: Counter[By] = field(default_factory=Counter)
    drafted: int = 0
    confirmed: int = 0
    cloud_positions: int = 0
    """Positions that the cloud computed."""
    why: str = ""
    """Why the cloud was not asked, or did not answer, when that happened last."""

    @property
    def alone(self) -> bool:
        """Whether any token is not what the mode promises."""
        return self.by[By.ALONE] > 0


class Answer:
    """Runs once. `tokens` may be closed at any time; the cloud is then told to forget the session."""

    def __init__(
        self,
        speaker: Speaker,
        prompt: Sequence[int],
        draw: Draw,
        mode: Mode,
        max_tokens: int,
        ends: Collection[int] = (),
        time_limit_s: float | None = None,
    ) -> None:
        """`prompt` must not be empty. After a token of `ends` nothing more is said. `time_limit_s` counts from now."""
        self._speaker = speaker
        self._mode = mode
        self._ends = ends
        self._until = None if time_limit_s is None else speaker.now() + time_limit_s
        self._left = max_tokens
        self._text = speaker.open(prompt, draw, is_sent=mode.asks)
        self._uplink = speaker.connect(self._text)
        self._computed = 0
        """Positions that the cloud has computed."""
        self._refused = Backoff()
        self.tally = Tally()

    @property
    def traffic(self) -> Traffic:
        """What crossed the link."""
        return self._uplink.traffic if self._uplink else Traffic()

    async def tokens(self) -> AsyncGenerator[Said, None]:
        """The answer. Raises StateError for states that cannot cross the link or are no numbers."""
        steps = self._verify if self._mode.kind is Kind.VERIFIED else self._collaborate
        try:
            while self._left > 0:
                for said in await steps():
                    self._left -= 1
                    self.tally.by[said.by] += 1
                    yield said
                    if said.token in self._ends:
                        self._left = 0
                        break
            self._speaker.pace.length.note(sum(self.tally.by.values()))
        finally:
            if self._uplink is not None:
                self._uplink.close()

    async def _collaborate(self) -> list[Said]:
        """One token: the first exit's, the second's or the cloud's (CE-CoLLM, arXiv 2411.02829; standalone too)."""
        guess = await self._guess(
            deep=self._mode.threshold < 1
        )  # at 1 the second is not believed either: the cloud is asked first
        if self._mode.believes(guess.confidence):
            return [self._append(guess.token, By.FIRST_EXIT if guess is self._text.first else By.SECOND_EXIT)]
        told = await self._ask(len(self._text.tokens) - 1) if self._mode.asks else None
        if told is not None:
            return [self._append(told.tokens[0], By.CLOUD)]
        guess = await self._speaker.deepen(self._text)
        return [self._append(guess.token, By.ALONE if self._mode.asks else By.SECOND_EXIT)]

    async def _verify(self) -> list[Said]:
        """Several tokens: drafts of the exits up to the first that the cloud does not confirm, and the cloud's own."""
        if not self._can_ask(len(self._text.tokens)):
            return [self._append((await self._guess()).token, By.ALONE)]
        base = len(self._text.tokens)
        drafts = await self._draft()
        told = await self._ask(base - 1)
        if told is None:
            said = [Said(token, By.ALONE) for token in drafts]
            return said or [self._append((await self._speaker.deepen(self._text)).token, By.ALONE)]
        confirmed = next((i for i, draft in enumerate(drafts) if told.tokens[i] != draft), len(drafts))
        self._note(len(drafts), confirmed)
        if confirmed < len(drafts):
            self._text.cut(base + confirmed)
            self._take_back(base + confirmed)
        final = told.tokens[confirmed : confirmed + 1]  # none if the last draft ended the text and was right
        self._text.tokens.extend(final)
        return [Said(token, By.CLOUD) for token in [*drafts[:confirmed], *final]]

    async def _draft(self) -> list[int]:
        """Append drafts to the text while that is worth it. All but a draft that ends the text have been read."""
        drafts: list[int] = []
        chances: list[float] = []
        while not (drafts and drafts[-1] in self._ends):
            is_full = len(drafts) >= min(self._mode.drafts, self._left - 1)
            guess = await self._guess(deep=not is_full)
            chance = self._chance(guess)
            if is_full or not self._speaker.pace.drafts_on(chances, chance):
                break
            self._text.tokens.append(guess.token)
            drafts.append(guess.token)
            chances.append(chance)
        return drafts

    async def _guess(self, *, deep: bool = True) -> Guess:
        """What the edge would say next: the first exit's word, or if that is not believed, and if `deep`, the second's."""
        began, unread = self._speaker.now(), len(self._text.unread)
        guess = await self._speaker.read(self._text, self._uplink)
        if deep and not self._mode.believes(guess.confidence):
            guess = await self._speaker.deepen(self._text)
        if unread == 1:
            self._speaker.pace.edge_token.note(self._speaker.now() - began)
        return guess

    def _chance(self, guess: Guess) -> float:
        """How likely the cloud confirms: an exit's confidence, or, when tokens are drawn, how often it did."""
        agreement = self._speaker.pace.agreement.value
        return guess.confidence if self._text.draw.temperature <= 0 or agreement is None else agreement

    def _note(self, drafted: int, confirmed: int) -> None:
        self.tally.drafted += drafted
        self.tally.confirmed += confirmed
        if drafted:
            self._speaker.pace.agreement.note(confirmed / drafted)

    def _take_back(self, length: int) -> None:
        self._computed = min(self._computed, length)
        if self._uplink is not None:
            self._uplink.take_back(length)

    def _append(self, token: int, by: By) -> Said:
        self._text.tokens.append(token)
        return Said(token, by)

    def _can_ask(self, positions: int) -> bool:
        """Whether to ask about the last of `positions`; if not, the tally says why."""
        if self._uplink is None:
            return False
        if not self._refused.allows(self._speaker.now()):
            return False
        why_not = self._speaker.why_not(self._left_s(), self._left, positions - self._computed)
        self.tally.why = why_not or self.tally.why
        return why_not is None

    async def _ask(self, first: int) -> Told | None:
        """The full model's tokens after the positions from `first` on that have been read; None without an answer."""
        read = self._text.lower.length
        if self._uplink is None or not self._can_ask(read):
            return None
        try:
            told = await self._speaker.ask(self._uplink, first, read - first, read - self._computed, self._left_s())
        except CloudRefused as error:
            self._refused.failed(self._speaker.now())
            self.tally.why = str(error)
            return None
        if told is None:
            self.tally.why = self._speaker.why
            return None
        self.tally.cloud_positions += read - self._computed
        self._computed = read
        return told

    def _left_s(self) -> float | None:
        return None if self._until is None else self._until - self._speaker.now()
