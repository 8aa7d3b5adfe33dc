"""What is expected of every path for one query, as arrays: one entry per path, NaN where nothing is known."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from policies.types import Path, Prediction

FloatArray = npt.NDArray[np.floating]
Axis = Literal["latency_s", "cost_usd", "energy_j"]
AXES: tuple[Axis, ...] = ("latency_s", "cost_usd", "energy_j")


class Forecast(NamedTuple):
    """Means for ranking and 90th percentiles for limits, each of shape (paths,). Accuracy is a mean.

    `familiar` tells whether some profiled query is about as like this one as profiled queries are like each other.
    Where the time to the first token was not measured, pass `latency_p90_s` for it: it cannot come later than the last one.
    """

    accuracy: FloatArray
    latency_s: FloatArray
    latency_p90_s: FloatArray
    ttft_p90_s: FloatArray
    cost_usd: FloatArray
    cost_p90_usd: FloatArray
    energy_j: FloatArray
    energy_p90_j: FloatArray
    familiar: bool = True

    def mean(self, axis: Axis) -> FloatArray:
        """The means of one axis."""
        if axis == "latency_s":
            return self.latency_s
        return self.cost_usd if axis == "cost_usd" else self.energy_j

    def among(self, places: npt.NDArray[np.intp]) -> Forecast:
        """Of the paths at `places` only."""
        return self._replace(**{name: getattr(self, name)[places] for name in self._fields if name != "familiar"})

    def of(self, index: int, path: Path) -> Prediction:
        """What is expected of `path`, which is at `index`. A few questions may lead to expect more than all or less than nothing,
        which ranks paths but is no accuracy."""
        return Prediction(
            path=path,
            accuracy=min(max(self.accuracy.item(index), 0.0), 1.0),
            latency_s=self.latency_s.item(index),
            latency_p90_s=self.latency_p90_s.item(index),
            cost_usd=self.cost_usd.item(index),
            energy_j=self.energy_j.item(index),
        )
