"""What outcomes have taught about the paths of a profile, as arrays: laid over its forecasts, and taken off them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from policies.forecast import FloatArray, Forecast
from policies.posterior import Correction
from policies.types import Prediction

NOTHING = Correction()


@dataclass(frozen=True, slots=True, eq=False)
class Corrections:
    """One entry for each path, shape (paths,): a shift of accuracy, and factors for the other measures."""

    accuracy: FloatArray
    latency: FloatArray
    cost: FloatArray
    energy: FloatArray

    @classmethod
    def of(cls, paths: Sequence[str], known: Mapping[str, Correction]) -> Corrections:
        """In the order of `paths`; one of which nothing is known stays as it is forecast."""
        found = [known.get(path, NOTHING) for path in paths]
        columns = [[c.accuracy for c in found], [c.latency for c in found], [c.cost for c in found], [c.energy for c in found]]
        accuracy, latency, cost, energy = np.array(columns, dtype=np.float32)
        return cls(accuracy, latency, cost, energy)

    def apply(self, forecast: Forecast) -> Forecast:
        """The forecast with what was learnt since its profile was measured."""
        return forecast._replace(
            accuracy=forecast.accuracy + self.accuracy,
            latency_s=forecast.latency_s * self.latency,
            latency_p90_s=forecast.latency_p90_s * self.latency,
            ttft_p90_s=forecast.ttft_p90_s * self.latency,
            cost_usd=forecast.cost_usd * self.cost,
            cost_p90_usd=forecast.cost_p90_usd * self.cost,
            energy_j=forecast.energy_j * self.energy,
            energy_p90_j=forecast.energy_p90_j * self.energy,
        )

    def remove(self, place: int, prediction: Prediction) -> Prediction:
        """What the profile alone predicts, given the corrected prediction for the path at `place`."""
        return prediction._replace(
            accuracy=prediction.accuracy - float(self.accuracy[place]),
            latency_s=prediction.latency_s / float(self.latency[place]),
            latency_p90_s=prediction.latency_p90_s / float(self.latency[place]),
            cost_usd=prediction.cost_usd / float(self.cost[place]),
            energy_j=prediction.energy_j / float(self.energy[place]),
        )
