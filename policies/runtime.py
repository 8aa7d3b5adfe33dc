"""The forecast for one query, fast: what a gateway asks between the embedding and the choice.

The same numbers as `Predictor` gives, arranged for one vector at a time: all measures share one look at the profiled
queries, and act on a few axes before they are spread over the paths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.forecast import Forecast
from policies.predict import Measure, Predictor

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Part:
    """One measure: `near` of shape (queries, axes) and `slopes` of shape (width, axes) lead to axes, `basis` to paths."""

    number: int
    near: FloatArray
    slopes: FloatArray
    offset: FloatArray
    basis: FloatArray
    level: FloatArray
    spread: FloatArray
    relative: bool

    @classmethod
    def of(cls, measure: Measure) -> _Part:
        surface = measure.fit.surface
        ridge = surface.ridge
        rest = 1 - surface.share
        offset = (ridge.offset - ridge.centre @ ridge.slopes) * rest
        near, slopes = surface.targets * (surface.share / surface.number), ridge.slopes * rest
        basis = np.ascontiguousarray(surface.basis)
        return cls(surface.number, near, slopes, offset, basis, measure.level, measure.spread, measure.relative)

    def values(self, vector: FloatArray, order: npt.NDArray[np.intp]) -> FloatArray:
        axes = self.near[order[: self.number]].sum(axis=0) + vector @ self.slopes + self.offset
        residuals = axes @ self.basis
        return np.asarray(self.level * np.exp(residuals) if self.relative else self.level + residuals)


class Forecaster:
    """Immutable once made, so that many threads share it; a new profile makes a new one."""

    def __init__(self, predictor: Predictor) -> None:
        self._vectors = np.ascontiguousarray(predictor.vectors, dtype=np.float32)
        self._familiar = predictor.familiar
        self._accuracy = _Part.of(predictor.accuracy)
        self._costs = {axis: _Part.of(measure) for axis, measure in predictor.costs.items()}
        self._numbers = sorted({part.number for part in (self._accuracy, *self._costs.values())} - {len(self._vectors)})
        self._unknown = np.full(len(self._accuracy.level), np.nan)

    def forecast(self, vector: npt.NDArray[np.float32]) -> Forecast:
        """What to expect of every path for the query with this unit vector, shape (width,)."""
        likeness = self._vectors @ vector
        exact = vector.astype(np.float64)
        # Partitioned at every number of neighbours that is used, the first n places hold the n nearest.
        order = np.argpartition(-likeness, [number - 1 for number in self._numbers]) if self._numbers else self._everyone()
        means = {axis: part.values(exact, order) for axis, part in self._costs.items()}
        late = {axis: means[axis] * part.spread for axis, part in self._costs.items()}
        unknown = self._unknown
        latency_p90_s = late.get("latency_s", unknown)
        return Forecast(
            accuracy=self._accuracy.values(exact, order),
            latency_s=means.get("latency_s", unknown),
            latency_p90_s=latency_p90_s,
            ttft_p90_s=latency_p90_s,
            cost_usd=means.get("cost_usd", unknown),
            cost_p90_usd=late.get("cost_usd", unknown),
            energy_j=means.get("energy_j", unknown),
            energy_p90_j=late.get("energy_j", unknown),
        )

    def is_familiar(self, vector: npt.NDArray[np.float32]) -> bool:
        """Whether some profiled query is about as like this one as profiled queries are like each other."""
        return float((self._vectors @ vector).max()) >= self._familiar

    def _everyone(self) -> npt.NDArray[np.intp]:
        return np.arange(len(self._vectors))
