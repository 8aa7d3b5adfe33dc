"""Means over measured values that may change with time: plain, discounted (D-UCB) or over a sliding window (SW-UCB).

Discounted and sliding-window counts follow Garivier and Moulines (arXiv 0805.3415), with ages in seconds instead of
rounds, because servers are used at very different rates: what is old must fade though nothing new arrives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policies.schedule.types import Floats, Ints

Rows = Ints | slice
"""Which rows of a memory; a slice is read in a third of the time, which is most of a decision about one request."""
REBASE = 64.0
"""Half-lives after which the discounted weights are scaled back; 2^64 is far from the largest float."""


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """Weights and weighted sums of values, shape (rows, columns) each."""

    weight: Floats
    sum: Floats


class Memory(ABC):
    """Weighted sums of values for each of `rows` x `columns` arms. A clock that goes back is taken to stand still."""

    def __init__(self, rows: int, columns: int) -> None:
        self._weight = np.zeros((rows, columns))
        self._sum = np.zeros((rows, columns))
        self._now = 0.0

    def add(self, row: int, column: int, value: float, now: float, weight: float = 1.0) -> None:
        """Take note of a finite `value` measured at `now` seconds, which counts as `weight` values."""
        weight *= self._unit(self._clock(now))
        self._weight[row, column] += weight
        self._sum[row, column] += weight * value

    def count(self, rows: Rows, now: float) -> Floats:
        """The effective number of values in some rows, shape (rows, columns)."""
        unit = self._unit(self._clock(now))  # first: it drops what has left a window
        count: Floats = self._weight[rows] / unit
        return count

    def mean(self, prior: Floats | float, strength: float, rows: Rows, now: float) -> Floats:
        """Means of some rows, shape (rows, columns), shrunk toward `prior`, which counts as `strength` > 0 values.

        `prior` is a number or has the shape (columns,) or that of the result.
        """
        prior_weight = strength * self._unit(self._clock(now))
        mean: Floats = (self._sum[rows] + prior_weight * prior) / (self._weight[rows] + prior_weight)
        return mean

    def totals(self, now: float) -> Totals:
        """Weights and sums as if everything had been measured now, for another memory of this shape to take over."""
        unit = self._unit(self._clock(now))
        return Totals(self._weight / unit, self._sum / unit)

    def restore(self, totals: Totals, now: float) -> None:
        """Hold `totals`, measured now, instead of what was here."""
        unit = self._unit(self._clock(now))
        self._weight, self._sum = totals.weight * unit, totals.sum * unit

    def forget(self, column: int) -> None:
        """Drop all about one column: another server has taken its place."""
        self._weight[:, column] = self._sum[:, column] = 0.0

    def grow(self, columns: int) -> None:
        """Make room for more columns."""
        missing = ((0, 0), (0, max(0, columns - self._sum.shape[1])))
        self._weight, self._sum = np.pad(self._weight, missing), np.pad(self._sum, missing)

    def follow(self, known: Sequence[int], current: Sequence[int]) -> None:
        """Make room for the columns of `current`, and forget those whose generation is another than it was in `known`."""
        self.grow(len(current))
        for column, (before, now) in enumerate(zip(known, current, strict=False)):
            if before != now:
                self.forget(column)

    def _clock(self, now: float) -> float:
        self._now = max(self._now, now)
        return self._now

    @abstractmethod
    def _unit(self, now: float) -> float:
        """The weight of a value measured now."""


class Plain(Memory):
    """Every value counts the same for ever."""

    def _unit(self, now: float) -> float:
        return 1.0


class Discounted(Memory):
    """A value's weight halves every `half_life_s`."""

    def __init__(self, rows: int, columns: int, half_life_s: float) -> None:
        super().__init__(rows, columns)
        self._half_life_s = half_life_s
        self._base = 0.0

    def _unit(self, now: float) -> float:
        # Old weights stay as they are and new ones grow instead: adding costs one cell, not the whole array.
        age = (now - self._base) / self._half_life_s
        if age > REBASE:
            shrink = 2.0 ** -min(age, 1000.0)
            self._weight *= shrink
            self._sum *= shrink
            self._base, age = now, 0.0
        return float(2.0**age)


class Sliding(Memory):
    """A value counts fully for `window_s` and then not at all."""

    def __init__(self, rows: int, columns: int, window_s: float) -> None:
        super().__init__(rows, columns)
        self._window_s = window_s
        self._values: deque[tuple[float, int, int, float, float]] = deque()

    def add(self, row: int, column: int, value: float, now: float, weight: float = 1.0) -> None:
        super().add(row, column, value, now, weight)
        self._values.append((self._now, row, column, value, weight))

    def restore(self, totals: Totals, now: float) -> None:
        super().restore(totals, now)
        rows, columns = totals.weight.nonzero()
        weights, sums = totals.weight[rows, columns].tolist(), totals.sum[rows, columns].tolist()
        cells = zip(rows.tolist(), columns.tolist(), weights, sums, strict=True)
        self._values = deque((self._now, row, column, total / weight, weight) for row, column, weight, total in cells)

    def forget(self, column: int) -> None:
        super().forget(column)
        self._values = deque(entry for entry in self._values if entry[2] != column)

    def _unit(self, now: float) -> float:
        while self._values and self._values[0][0] <= now - self._window_s:
            _, row, column, value, weight = self._values.popleft()
            left = self._weight[row, column] - weight
            # Of an empty window nothing may stay that is only rounding.
            empty = left <= 1e-9 * weight
            self._weight[row, column] = 0.0 if empty else left
            self._sum[row, column] = 0.0 if empty else self._sum[row, column] - weight * value
        return 1.0
