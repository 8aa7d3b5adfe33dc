"""Stages that several paths of one query have in common: each is run once and belongs to every path through it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from deployments.messages import StageReport

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ran(Generic[T]):
    """What a stage made, and what it took: `seconds` as its caller saw them, with the link but without queues."""

    value: T
    reports: tuple[StageReport, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What was really run, as opposed to the sum over paths, in which a shared stage counts for each."""

    seconds: float = 0.0
    cost_usd: float = 0.0
    energy_j: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.seconds + other.seconds, self.cost_usd + other.cost_usd, self.energy_j + other.energy_j)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.seconds - other.seconds, self.cost_usd - other.cost_usd, self.energy_j - other.energy_j)

    @classmethod
    def on(cls, seconds: float, reports: tuple[StageReport, ...]) -> Spent:
        return cls(seconds, sum(report.cost_usd for report in reports), sum(report.energy_j for report in reports))


class Shared:
    """The stages run so far for one query, by whatever tells them apart. For one task at a time."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._ran: dict[Hashable, Ran[object]] = {}
        self.spent = Spent()

    async def once(self, key: Hashable, run: Callable[[], Awaitable[tuple[T, tuple[StageReport, ...]]]]) -> Ran[T]:
        """What `run` made when it was first asked for under `key`. A failed run is tried again by the next path."""
        if key not in self._ran:
            began = self._clock()
            value, reports = await run()
            seconds = max(0.0, self._clock() - began - sum(report.wait_s for report in reports))
            self._ran[key] = Ran(value, reports, seconds)
            self.spent += Spent.on(seconds, reports)
        return cast("Ran[T]", self._ran[key])
