"""A table of measured outcomes on which policies are replayed: what they choose is looked up, not run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """`accuracy` and `objective` of shape (queries, paths). A path that was not measured for a query cannot be chosen for it."""

    accuracy: FloatArray
    objective: FloatArray

    @cached_property
    def choosable(self) -> BoolArray:
        return np.asarray(~(np.isnan(self.accuracy) | np.isnan(self.objective)), dtype=np.bool_)

    def only_measured(self) -> Measured:
        """Without the queries for which nothing can be chosen."""
        some = self.choosable.any(axis=1)
        return Measured(self.accuracy[some], self.objective[some])

    def choose(self, scores: FloatArray) -> IntArray:
        """Of each query the choosable path with the highest score; `scores` of shape (queries, paths) or (paths,)."""
        choices: IntArray = np.where(self.choosable, scores, -np.inf).argmax(axis=1)
        return choices

    def outcomes(self, choices: IntArray) -> tuple[FloatArray, FloatArray]:
        """Objective and accuracy of each query's choice."""
        rows = np.arange(len(choices))
        return self.objective[rows, choices], self.accuracy[rows, choices]

    def point(self, choices: IntArray) -> tuple[float, float]:
        """Mean objective and mean accuracy."""
        objective, accuracy = self.outcomes(choices)
        return float(objective.mean()), float(accuracy.mean())

    def sweep(self, accuracy: FloatArray, objective: FloatArray, prices: FloatArray) -> list[tuple[float, float]]:
        """The points of choosing by predicted accuracy - price × predicted objective, one per price."""
        return [self.point(self.choose(accuracy - price * objective)) for price in prices]

    def single(self, path: int, means: FloatArray) -> IntArray:
        """Always `path`; where it was not measured, the path with the next best of `means`."""
        scores = means.copy()
        scores[path] = np.inf
        return self.choose(scores)
