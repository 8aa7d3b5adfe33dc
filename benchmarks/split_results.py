"""What `benchmarks.split` finds, as rows, and what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

EQUAL, LAYERS = "measured", "equal layers"
"""Hosts: seconds as measured, so the same processor on both sides; and a layer taking the same on both, however many
positions it is given, as on the hosts of the paper."""
NEAR_MS, FAR_MS = 3, 50
CLOUD_ONLY, NAIVE, STANDALONE = "cloud-only", "naive split", "standalone"
EVERY_TOKEN, INT8 = "collaborative@1", "the same, int8"
LONG = 100
"""Tokens of a long answer."""


@dataclass(frozen=True, slots=True)
class ModeRow:
    """A way of answering, whatever the link. Means over answers."""

    mode: str
    tokens: float
    asked: float
    """Questions to the cloud for each token."""
    work_saved: float
    """Share of the positions that the cloud's layers did not run."""
    accuracy: float
    """Exact match with the reference."""
    agreement: float
    """Share of answers that are the unsplit model's, token for token."""
    bytes_per_answer: float
    over: float | None
    """By which share that is over 2·d·(prompt + generated); None where no states are sent once."""
    edge_s: float
    cloud_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """A way of answering over one link, by the replay. Means over answers."""

    mode: str
    hosts: str
    rtt_ms: int
    mbps: int
    total_s: float
    edge_s: float
    cloud_s: float
    link_s: float


@dataclass(frozen=True, slots=True)
class SessionRow:
    """Several answers at once, within this process."""

    mode: str
    sessions: int
    tokens: int
    asks: int
    edge_passes: int
    cloud_passes: int
    agreement: float
    """Share of answers that are the same as alone."""
    left_bytes: int
    """What the cloud remembers of all these sessions afterwards."""


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked for."""

    what: str
    wanted: str
    found: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Results:
    """All of it."""

    prompts: int
    prompt_tokens: float
    theta: float
    """The demo model's own θ."""
    verified: str
    """Name of the verified mode."""
    layer_s: float
    """One position through one layer, as measured."""
    modes: Sequence[ModeRow]
    rows: Sequence[Row]
    sessions: Sequence[SessionRow]
    long_bytes: dict[str, float]
    """Bytes of an answer of `LONG` tokens, by mode."""

    @property
    def collaborative(self) -> str:
        """Name of the mode at the demo model's own θ."""
        return f"collaborative@{self.theta:g}"

    def mode(self, name: str) -> ModeRow:
        """The row of that name."""
        return next(row for row in self.modes if row.mode == name)

    def targets(self) -> list[Target]:
        """All that was asked for, met or not."""
        return [*self._quality(), *self._bytes(), *self._times(), *self._together()]

    def _quality(self) -> Iterator[Target]:
        chosen, full = self.mode(self.collaborative), self.mode(CLOUD_ONLY)
        exact = min(self.mode(EVERY_TOKEN).agreement, self.mode(self.verified).agreement)
        yield Target("θ = 1 and verified: answers that are the unsplit model's", "all", f"{exact:.1%}", exact == 1)
        saved, lost = chosen.work_saved, full.accuracy - chosen.accuracy
        yield Target(f"{chosen.mode}: cloud layers' work saved", "≥ 50 %", f"{saved:.1%}", saved >= 0.5)
        yield Target(f"{chosen.mode}: accuracy below cloud-only's", "≤ 0.01", f"{lost:+.3f}", lost <= 0.01 + 1e-9)

    def _bytes(self) -> Iterator[Target]:
        worst = max((row for row in self.modes if row.mode.startswith("collaborative")), key=lambda row: row.over or 0)
        over = worst.over or 0
        yield Target(
            f"collaborative: bytes over 2·d·(prompt + generated), most at {worst.mode}", "≤ 2 %", f"{over:+.2%}", over <= 0.02
        )
        less = 1 - self.long_bytes[EVERY_TOKEN] / self.long_bytes[NAIVE]
        what = f"{EVERY_TOKEN}: bytes below the naive split's at {LONG} new tokens"
        yield Target(what, "≥ 99 %", f"{less:.2%}", less >= 0.99)

    def _times(self) -> Iterator[Target]:
        at = f"at {NEAR_MS} ms, worst link"
        same = self._least_gain(self.collaborative, CLOUD_ONLY, EQUAL, NEAR_MS)
        paper = self._least_gain(self.collaborative, CLOUD_ONLY, LAYERS, NEAR_MS)
        yield Target(f"{self.collaborative}: time saved of cloud-only's, same processor, {at}", "≥ 0 %", f"{same:.1%}", same >= 0)
        what = f"{self.collaborative}: the same with edge layer time = cloud layer time"
        yield Target(what, "≥ 13.81 %", f"{paper:.1%}", paper >= 0.1381)
        faster = 1 / (1 - self._least_gain(self.verified, EVERY_TOKEN, EQUAL, FAR_MS))
        what = f"{self.verified}: times as fast as a question for every token at {FAR_MS} ms, worst link"
        yield Target(what, "≥ 1.3", f"{faster:.2f}", faster >= 1.3)

    def _together(self) -> Iterator[Target]:
        row = next(row for row in self.sessions if row.mode == EVERY_TOKEN and row.sessions == 16)
        share = row.cloud_passes / row.tokens
        yield Target("16 sessions, every token asked: cloud passes per token", "< 0.5", f"{share:.3f}", share < 0.5)
        same, left = min(row.agreement for row in self.sessions), max(row.left_bytes for row in self.sessions)
        yield Target("several sessions: answers that are the same as alone", "all", f"{same:.1%}", same == 1)
        yield Target("several sessions: bytes that the cloud remembers afterwards", "0", f"{left}", left == 0)

    def _least_gain(self, mode: str, other: str, hosts: str, rtt_ms: int) -> float:
        """Share of the other's time that `mode` saves, on the link where that is least."""
        found = {(r.mode, r.mbps): r.total_s for r in self.rows if r.hosts == hosts and r.rtt_ms == rtt_ms}
        return min(1 - found[mode, mbps] / found[other, mbps] for name, mbps in found if name == mode)
