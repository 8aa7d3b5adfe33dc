"""The caller's limits as comparisons of arrays, and why a path was dropped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from policies.errors import InvalidRequest
from policies.forecast import Forecast
from policies.types import Slo

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]
_LARGEST = float(np.finfo(np.float32).max)  # what forecasts hold; more is no limit
PRIVATE = "leaves the edge, and privacy is 'edge'"


class Limit(NamedTuple):
    """One limit: `values` of shape (paths,) must not exceed `bound` (must reach it if `at_least`). NaN keeps no limit."""

    name: str
    bound: float
    values: FloatArray
    at_least: bool = False

    def kept(self) -> BoolArray:
        """Which paths keep it; one of which nothing is known does not."""
        kept: BoolArray = self.values >= self.bound if self.at_least else self.values <= self.bound
        return kept

    def excess(self) -> FloatArray:
        """By what share of the bound each path breaks the limit: 0 if kept, infinite if nothing is known."""
        over = self.bound - self.values if self.at_least else self.values - self.bound
        with np.errstate(over="ignore"):
            share = np.maximum(over, 0.0) / max(self.bound, np.finfo(np.float64).tiny)
        return np.where(np.isnan(share), np.inf, share)

    def best(self, among: BoolArray) -> float:
        """The best value that one of the paths `among` offers; NaN if none is known."""
        known = self.values[among & ~np.isnan(self.values)]
        if len(known) == 0:
            return math.nan
        return float(known.max() if self.at_least else known.min())

    def broken_by(self, index: int) -> str | None:
        """A phrase if the path at `index` breaks the limit."""
        value = float(self.values[index])
        if math.isnan(value):
            return f"{self.name} is {self.bound:g} and nothing was measured"
        if self.at_least:
            return f"expected accuracy {value:.3g} is below {self.name} {self.bound:g}" if value < self.bound else None
        return f"9 of 10 stay within {value:.3g}, which is over {self.name} {self.bound:g}" if value > self.bound else None


@dataclass(slots=True, eq=False)
class Dropped(Mapping[str, str]):
    """From the name of each dropped path to the reason. Reasons are written when read: most decisions are never looked at."""

    names: Sequence[str]
    kept: BoolArray
    allowed: BoolArray
    limits: tuple[Limit, ...]

    def __getitem__(self, name: str) -> str:
        index = self.names.index(name) if name in self.names else -1
        if index < 0 or self.kept[index]:
            raise KeyError(name)
        if not self.allowed[index]:
            return PRIVATE
        return "; ".join(phrase for limit in self.limits if (phrase := limit.broken_by(index)))

    def __iter__(self) -> Iterator[str]:
        return (self.names[index] for index in np.flatnonzero(~self.kept))

    def __len__(self) -> int:
        return int((~self.kept).sum())


def limits_of(slo: Slo, forecast: Forecast) -> tuple[Limit, ...]:
    """The limits that `slo` sets. Raises InvalidRequest for one that is negative or not a number."""
    found = []
    if slo.max_latency_s is not None:
        found.append(_limit("max_latency_s", slo.max_latency_s, forecast.latency_p90_s))
    if slo.max_ttft_s is not None:
        found.append(_limit("max_ttft_s", slo.max_ttft_s, forecast.ttft_p90_s))
    if slo.max_cost_usd is not None:
        found.append(_limit("max_cost_usd", slo.max_cost_usd, forecast.cost_p90_usd))
    if slo.max_energy_j is not None:
        found.append(_limit("max_energy_j", slo.max_energy_j, forecast.energy_p90_j))
    if slo.min_accuracy is not None:
        found.append(_limit("min_accuracy", slo.min_accuracy, forecast.accuracy, at_least=True))
    return tuple(found)


def _limit(name: str, bound: float, values: FloatArray, at_least: bool = False) -> Limit:
    if not bound >= 0:  # also true for NaN
        raise InvalidRequest(f"{name} is {bound:g}; give a number that is not negative, or leave the limit out.", f"slo.{name}")
    if name == "min_accuracy" and bound > 1:
        raise InvalidRequest(f"min_accuracy is {bound:g}; accuracy is a share between 0 and 1.", "slo.min_accuracy")
    return Limit(name, min(float(bound), _LARGEST), values, at_least)
