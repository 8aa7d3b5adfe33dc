"""How fast edge, link and cloud are, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from policies.split.line import Line

_GAIN = 1 / 8
_DEVIATION_GAIN = 1 / 4
_DEVIATIONS = 4
"""The constants of RFC 6298, section 2."""
_LEAST_LIMIT_S = 1.0
"""RFC 6298, (2.4)."""
_UNKNOWN_LIMIT_S = 10.0
"""The first question of all may have to wait for a model to warm up."""
_SLACK = 4
"""Computing varies more than a link does: another session's prompt may come first."""


@dataclass(slots=True)
class Mean:
    """An exponentially weighted mean and mean deviation, as RFC 6298 keeps them for round trips."""

    value: float | None = None
    deviation: float = 0.0

    def note(self, measured: float) -> None:
        """Take one measurement in; the first is believed."""
        if self.value is None:
            self.value, self.deviation = measured, measured / 2
            return
        self.deviation += _DEVIATION_GAIN * (abs(measured - self.value) - self.deviation)
        self.value += _GAIN * (measured - self.value)

    def known(self) -> float:
        """The mean, zero when nothing was measured."""
        return self.value or 0.0


@dataclass(slots=True)
class Pace:
    """Running means of what was measured on all answers of one edge, in seconds."""

    round_trip: Mean = field(default_factory=Mean)
    """From question to answer without the cloud's own time."""
    cloud: Line = field(default_factory=Line)
    """The cloud's time for a question, over the positions that were waiting: a pass costs something whatever is in it."""
    edge_token: Mean = field(default_factory=Mean)
    """The edge's time for one token."""
    length: Mean = field(default_factory=Mean)
    """Tokens of an answer."""
    agreement: Mean = field(default_factory=Mean)
    """Share of drafts that the cloud confirmed."""

    def ask_s(self, positions: int) -> float:
        """What a question about the last of `positions` that the cloud has not computed can be expected to take."""
        return self.round_trip.known() + self.cloud.at(positions)

    def late_s(self, positions: int) -> float:
        """After how long an answer to it is later than link and cloud usually vary."""
        if self.round_trip.value is None:
            return _UNKNOWN_LIMIT_S
        late = self.round_trip.value + _DEVIATIONS * self.round_trip.deviation
        return late + _SLACK * self.cloud.at(positions)

    def limit_s(self, positions: int) -> float:
        """After how long such a question counts as lost."""
        return max(_LEAST_LIMIT_S, self.late_s(positions))

    def affords(self, left_s: float | None, tokens_left: int, positions: int) -> bool:
        """Whether a question fits into `left_s`, with the rest of the answer said by the edge alone behind it.

        The rest is as long as answers usually are, at most `tokens_left`.
        """
        if left_s is None:
            return True
        usual = self.length.value
        rest = tokens_left if usual is None else min(tokens_left, max(1.0, usual))
        return self.ask_s(positions) + rest * self.edge_token.known() <= left_s

    def drafts_on(self, chances: list[float], next_chance: float) -> bool:
        """Whether another draft makes the tokens come faster, given the chance of each so far to be confirmed.

        With drafts of chances p1..pk a round gives 1 + p1 + p1·p2 + … tokens (arXiv 2211.17192, eq. 1, for a constant p) and
        takes a question and k drafts; one more is worth it while the ratio grows.
        """
        chain, gained = 1.0, 1.0
        for chance in chances:
            chain *= chance
            gained += chain
        draft_s = self.edge_token.known() + self.cloud.each
        taken_s = self.ask_s(1) + len(chances) * draft_s
        return (gained + chain * next_chance) * taken_s >= gained * (taken_s + draft_s)
