"""What is believed of arms that were not measured lately: slow means, anchored at the profile, of what `Arms` forgets.

Memories that fade with age return to what the profile says. On a live system that is a guess of an order of magnitude, so
they return to the mean of the last few hundred outcomes instead. A server of which little is known is believed to be like the
others of its board, which run the same model; together they are drawn to the profile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.schedule.arms import Lesson
from policies.schedule.forecast import PRIOR_RATIOS, PRIOR_SPREAD
from policies.schedule.types import Floats

KEEP = 0.995
"""Weight that an outcome keeps when the next one of its arm comes: about the last two hundred count."""
ANCHOR = 1.0
"""Outcomes as which the profile counts: it is soon outweighed, because it may be wrong by a factor."""
MAX_ENERGY = 20.0
"""Measured over profile joules beyond which a measurement is taken for a broken counter's."""


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """Ratio of measured to computed time, and its square, of shape (services, servers); the share of the bound that answers
    use, (services, 1); measured over profile joules, (servers,).
    """

    ratio: Floats
    square: Floats
    length: Floats
    energy: Floats


class LongRun:
    """Learns a `Belief` from the lessons of one board. Only answers count: how long a request that failed would have taken
    nobody knows, and that the server fails is for the fading memories to say.
    """

    def __init__(self, services: int, servers: int) -> None:
        self._ratio = _Means(services, servers)
        self._square = _Means(services, servers)
        self._length = _Means(services, 1)
        self._energy = _Means(1, servers)

    def take(self, lesson: Lesson) -> None:
        """Learn from one outcome."""
        if not lesson.answered:
            return
        if lesson.ratio is not None:
            self._ratio.add(lesson.service, lesson.server, lesson.ratio)
            self._square.add(lesson.service, lesson.server, lesson.ratio**2)
        if lesson.length is not None:
            self._length.add(lesson.service, 0, lesson.length)
        if lesson.energy is not None:
            self._energy.add(0, lesson.server, min(lesson.energy, MAX_ENERGY))

    def belief(self) -> Belief:
        """What is believed now."""
        ratio = self._ratio.pooled(1.0)
        return Belief(
            ratio=ratio,
            square=np.maximum(self._square.pooled(1.0 + PRIOR_SPREAD**2), ratio**2),
            length=self._length.pooled(1.0),
            energy=self._energy.pooled(1.0)[0],
        )

    def columns(self) -> list[list[list[float]]]:
        """All sums, one entry for each server; the inverse of `restore`."""
        return [[*self._ratio.column(i), *self._square.column(i), *self._energy.column(i)] for i in range(self._ratio.servers)]

    def lengths(self) -> list[list[float]]:
        """The sums that do not belong to a server."""
        return self._length.column(0)

    def restore(self, server: int, column: list[list[float]]) -> None:
        """Take over one entry of `columns`. Raises ValueError when it is none."""
        ratio, ratio_weight, square, square_weight, energy, energy_weight = column
        self._ratio.set(server, ratio, ratio_weight)
        self._square.set(server, square, square_weight)
        self._energy.set(server, energy, energy_weight)

    def restore_lengths(self, column: list[list[float]]) -> None:
        """Take over `lengths`. Raises ValueError when it is none."""
        self._length.set(0, *column)


class _Means:
    """Means whose old values lose weight with every new one of the same cell."""

    def __init__(self, rows: int, columns: int) -> None:
        self.servers = columns
        self._sum, self._weight = np.zeros((rows, columns)), np.zeros((rows, columns))

    def add(self, row: int, column: int, value: float) -> None:
        self._sum[row, column] = KEEP * self._sum[row, column] + value
        self._weight[row, column] = KEEP * self._weight[row, column] + 1.0

    def pooled(self, profile: float) -> Floats:
        """Each cell drawn to the mean of its row, and that to the profile."""
        total = (self._sum.sum(axis=1) + ANCHOR * profile) / (self._weight.sum(axis=1) + ANCHOR)
        pooled: Floats = (self._sum + PRIOR_RATIOS * total[:, None]) / (self._weight + PRIOR_RATIOS)
        return pooled

    def column(self, column: int) -> list[list[float]]:
        return [self._sum[:, column].tolist(), self._weight[:, column].tolist()]

    def set(self, column: int, sums: list[float], weights: list[float]) -> None:
        known = np.array([sums, weights], dtype=np.float64)
        if known.shape != (2, len(self._sum)) or not np.isfinite(known).all() or (known < 0).any():
            raise ValueError(f"{known.shape} finite sums and weights of at least 0 were expected")
        self._sum[:, column], self._weight[:, column] = known
