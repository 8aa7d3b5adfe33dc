"""What was measured of each arm, a (service class, server) pair: memories that fade, and what one outcome adds to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policies.schedule.memory import Discounted, Memory, Totals

HALF_LIFE_S = 20.0

MakeMemory = Callable[[int, int, float], Memory]
"""A memory of some rows and columns, in which half of a measurement's weight is left after some seconds."""


def discounted(rows: int, columns: int, half_life_s: float) -> Memory:
    """How measurements fade where nothing else is said."""
    return Discounted(rows, columns, half_life_s)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one outcome teaches; None where it teaches nothing. Small, so that gateways can tell each other."""

    service: int
    server: int
    answered: bool
    ratio: float | None = None
    """Measured over computed time."""
    length: float | None = None
    """Share of the caller's bound on the answer that was generated."""
    reward: float | None = None
    """r in [0, 1], see `reward.py`."""
    energy: float | None = None
    """Measured over the profile's joules for the same tokens."""


@dataclass(frozen=True, slots=True, eq=False)
class ArmTotals:
    """The contents of `Arms`, to be handed to another gateway or kept."""

    ratio: Totals
    square: Totals
    reward: Totals
    length: Totals


class Arms:
    """The memories of one board: shape (services, servers), that of the lengths (services, 1)."""

    def __init__(self, services: int, servers: int, make_memory: MakeMemory = discounted) -> None:
        self.ratio = make_memory(services, servers, HALF_LIFE_S)
        self.square = make_memory(services, servers, HALF_LIFE_S)
        self.reward = make_memory(services, servers, HALF_LIFE_S)
        self.length = make_memory(services, 1, HALF_LIFE_S)

    def take(self, lesson: Lesson, now: float) -> None:
        """Learn from an outcome that came at `now` seconds."""
        service, server = lesson.service, lesson.server
        if lesson.ratio is not None:
            self.ratio.add(service, server, lesson.ratio, now)
            self.square.add(service, server, lesson.ratio**2, now)
        if lesson.length is not None:
            self.length.add(service, 0, lesson.length, now)
        if lesson.reward is not None:
            self.reward.add(service, server, lesson.reward, now)

    def totals(self, now: float) -> ArmTotals:
        """All of it as if it had been measured now."""
        return ArmTotals(*(memory.totals(now) for memory in (self.ratio, self.square, self.reward, self.length)))

    def restore(self, totals: ArmTotals, now: float) -> None:
        """Hold what `totals` says was measured now, and nothing else."""
        self.ratio.restore(totals.ratio, now)
        self.square.restore(totals.square, now)
        self.reward.restore(totals.reward, now)
        self.length.restore(totals.length, now)

    def follow(self, known: Sequence[int], current: Sequence[int]) -> None:
        """Make room for new servers, and forget those whose index was taken by another; see `Memory.follow`."""
        for memory in (self.ratio, self.square, self.reward):
            memory.follow(known, current)
