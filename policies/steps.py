"""Adaptive paths in a choice: what to expect of them, and, once the first part has answered, whether to go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from policies.adaptive import Adaptive
from policies.forecast import Forecast
from policies.gate import Foresight
from policies.select import Preference
from policies.signals import Signals
from policies.types import Slo

FloatArray = npt.NDArray[np.floating]


_ROWS = tuple(name for name in Forecast._fields if name != "familiar")
_MEANS = [place for place, name in enumerate(_ROWS) if "p90" not in name]


@dataclass(frozen=True, slots=True)
class Spent:
    """What the first part took of the limits on cost and energy; its time is part of the forecast for what is left."""

    cost_usd: float = 0.0
    energy_j: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """Whether to go on, and why."""

    goes_on: bool
    why: str


class Steps:
    """Adds adaptive paths to the forecasts of the paths that they are made of."""

    def __init__(self, adaptive: Sequence[Adaptive], preference: Preference) -> None:
        self._adaptive = tuple(adaptive)
        self._preference = preference
        self._first = np.array([each.first for each in adaptive], dtype=np.intp)
        self._then = np.array([each.then for each in adaptive], dtype=np.intp)
        self._foresight = Foresight([each.gate for each in adaptive])
        self._often = np.ones((len(_ROWS), len(adaptive)), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._adaptive)

    def extend(self, forecast: Forecast) -> Forecast:
        """`forecast` with a column for each adaptive path at its end. A limit must hold for both parts together: the first
        alone may keep it where going on would be too late, but then nothing is adaptive about it."""
        if not self._adaptive:
            return forecast
        fixed = np.concatenate([getattr(forecast, row) for row in _ROWS]).reshape(len(_ROWS), -1)
        first, then = fixed.take(self._first, axis=1), fixed.take(self._then, axis=1)
        uplift, share = self._foresight.expect(first[0], then[0] - first[0], self._hurdle(forecast, self._then))
        often = self._often.copy()
        often[_MEANS] = share
        both = first + often * then
        both[0] = first[0] + uplift
        return forecast._replace(**dict(zip(_ROWS, np.concatenate((fixed, both), axis=1), strict=True)))

    def step(self, place: int, forecast: Forecast, shown: Signals, slo: Slo, spent: Spent) -> Step:
        """Whether the adaptive path at `place` (counted from the first of them) goes on after its first part `shown` this;
        `forecast` tells of what is still to come."""
        then = int(self._then[place])
        first = forecast.accuracy[[self._first[place]]].astype(np.float64)
        signals = np.array([astuple(shown)], dtype=np.float64)
        gain = float(self._adaptive[place].gate.gain(signals, first, forecast.accuracy[[then]] - first)[0])
        hurdle = float(self._hurdle(forecast, np.array([then]))[0])
        if not gain > hurdle:
            return Step(
                False, f"the first answer stands: by going on {gain:+.3f} of accuracy is expected, {hurdle:.3f} is wanted"
            )
        left = (
            ("max_latency_s", slo.max_latency_s, float(forecast.latency_p90_s[then])),
            ("max_ttft_s", slo.max_ttft_s, float(forecast.ttft_p90_s[then])),
            ("max_cost_usd", slo.max_cost_usd, spent.cost_usd + float(forecast.cost_p90_usd[then])),
            ("max_energy_j", slo.max_energy_j, spent.energy_j + float(forecast.energy_p90_j[then])),
        )
        for name, bound, value in left:
            if bound is not None and not value <= bound:
                return Step(False, f"the first answer stands: going on would take {value:.3g}, over {name} {bound:g}")
        return Step(True, f"went on after the first answer: {gain:+.3f} of accuracy is expected")

    def _hurdle(self, forecast: Forecast, then: npt.NDArray[np.intp]) -> FloatArray:
        return np.asarray(self._preference.band + self._preference.price * forecast.mean(self._preference.axis)[then])
