"""Which path to take: drop what breaks a limit, rank the rest (ECO-LLM's runtime, arXiv 2507.09003)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
import numpy.typing as npt

from policies.errors import InfeasibleSlo
from policies.forecast import Axis, FloatArray, Forecast
from policies.limits import BoolArray, Dropped, Limit, limits_of
from policies.types import Decision, OnInfeasible, Path, Privacy, Slo

IntArray = npt.NDArray[np.intp]
FALLBACKS = 3


@dataclass(frozen=True, slots=True)
class Preference:
    """What to save when accuracy is equal. Between paths that keep the limits, accuracy - `price` × `axis` counts;
    those within `band` of the best are equal, and the one that takes least of `axis` wins."""

    axis: Axis = "latency_s"
    price: float = 0.0
    band: float = 0.0


BY_ACCURACY = Preference()


class Fallbacks(Sequence[Path]):
    """The next best paths that keep the limits. They are ranked when read: few requests fail."""

    def __init__(
        self, paths: Sequence[Path], kept: IntArray, score: FloatArray, cost: FloatArray, band: float, taken: int
    ) -> None:
        self._given = (paths, kept, score, cost, band, taken)

    @overload
    def __getitem__(self, place: int) -> Path: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Path]: ...
    def __getitem__(self, place: int | slice) -> Path | Sequence[Path]:
        return self._ranked[place]

    def __len__(self) -> int:
        return len(self._ranked)

    @cached_property
    def _ranked(self) -> tuple[Path, ...]:
        paths, kept, score, cost, band, taken = self._given
        left = kept[kept != taken]
        order: list[int] = []
        while len(left) and len(order) < FALLBACKS:
            order.append(_best(left, score, cost, band))
            left = left[left != order[-1]]
        return tuple(paths[index] for index in order)


class Selector:
    """Chooses among fixed paths. Holds nothing that changes, so one instance serves many threads."""

    def __init__(self, paths: Sequence[Path], stays_on_edge: npt.ArrayLike) -> None:
        """`stays_on_edge` tells of each path whether all its stages can run at the edge. Raises ValueError without a path."""
        if not paths:
            raise ValueError("there is no path to choose from")
        self._paths = tuple(paths)
        self._names = tuple(path.name for path in paths)
        self._edge: BoolArray = np.asarray(stays_on_edge, dtype=np.bool_)
        self._all = np.ones(len(paths), dtype=np.bool_)

    def select(self, forecast: Forecast, slo: Slo, preference: Preference = BY_ACCURACY) -> Decision:
        """The best path that keeps every limit, else the answer that `slo.on_infeasible` asks for; privacy is never given up.

        Raises InfeasibleSlo (reject, or privacy that no path keeps) and InvalidRequest (a limit that is no limit).
        """
        allowed = self._edge if slo.privacy is Privacy.EDGE else self._all
        limits = limits_of(slo, forecast)
        kept = allowed
        for limit in limits:
            kept = limit.kept() if kept is self._all else kept & limit.kept()
        cost = forecast.mean(preference.axis)
        score = forecast.accuracy - preference.price * cost if preference.price else forecast.accuracy
        places = kept.nonzero()[0]
        if len(places):
            best = _best(places, score, cost, preference.band)
            others = Fallbacks(self._paths, places, score, cost, preference.band, best)
            predicted = forecast.of(best, self._paths[best])
            why = self._why(predicted.accuracy, float(cost[best]), forecast.familiar, len(places), preference)
            return Decision(predicted.path, why, others, predicted, dropped=Dropped(self._names, kept, allowed, limits))
        if not allowed.any():
            raise InfeasibleSlo(
                "privacy is 'edge', but no path stays there; add an edge model or allow privacy 'any'.", "slo.privacy"
            )
        return self._infeasible(forecast, slo, limits, allowed, score)

    def _infeasible(
        self, forecast: Forecast, slo: Slo, limits: tuple[Limit, ...], allowed: BoolArray, score: FloatArray
    ) -> Decision:
        worst = np.where(allowed, np.max([limit.excess() for limit in limits], axis=0), np.inf)
        nearest = _first(allowed & (worst == worst[allowed].min()), score)
        culprit = max(limits, key=lambda limit: float(limit.excess()[nearest]))
        if slo.on_infeasible is OnInfeasible.REJECT:
            raise InfeasibleSlo(_refusal(culprit, limits, allowed), f"slo.{culprit.name}")
        if slo.on_infeasible is OnInfeasible.CHEAPEST:
            place, why = _cheapest(forecast, allowed, score), "no path keeps the limits; the cheapest was asked for"
        else:
            place, why = nearest, f"no path keeps the limits; the least violation, {culprit.broken_by(nearest)}"
        dropped = Dropped(self._names, np.zeros_like(allowed), allowed, limits)
        path = self._paths[place]
        return Decision(path, why, predicted=forecast.of(place, path), feasible=False, dropped=dropped)

    def _why(self, accuracy: float, value: float, familiar: bool, kept: int, preference: Preference) -> str:
        axis = preference.axis
        saved = f", least {axis} ({value:.3g}) within {preference.band:g} of the best" if preference.band else ""
        price = f", {axis} priced at {preference.price:g}" if preference.price else ""
        strange = "" if familiar else "; the query is unlike all profiled ones, so each path's mean counts"
        return f"expected accuracy {accuracy:.3f}{saved}{price}; {kept} of {len(self._paths)} paths keep the limits{strange}"


def _best(among: IntArray, score: FloatArray, cost: FloatArray, band: float) -> int:
    """Of the places `among` the cheapest within `band` of the best score."""
    scores, top = _greatest(score.take(among))
    equal = among[scores >= scores[top] - band]
    costs = cost.take(equal)
    place = int(costs.argmin())
    return int(equal[place if costs[place] == costs[place] else _greatest(-costs)[1]])


def _greatest(values: FloatArray) -> tuple[FloatArray, int]:
    """The values, least what is unknown, and the place of the greatest. What is not a number would be found first."""
    place = int(values.argmax())
    if values[place] == values[place]:
        return values, place
    known = np.where(np.isnan(values), -np.inf, values)
    return known, int(known.argmax())


def _first(among: BoolArray, score: FloatArray) -> int:
    indices = np.flatnonzero(among)
    return int(indices[_greatest(score[indices])[1]])


def _cheapest(forecast: Forecast, allowed: BoolArray, score: FloatArray) -> int:
    """The least cost; where no cost was measured the least energy, then the least latency."""
    for axis in ("cost_usd", "energy_j", "latency_s"):
        cost = forecast.mean(axis)
        known = allowed & ~np.isnan(cost)
        if known.any():
            return _first(known & (cost == cost[known].min()), score)
    return _first(allowed, score)


def _refusal(culprit: Limit, limits: tuple[Limit, ...], allowed: BoolArray) -> str:
    others = allowed.copy()
    for limit in limits:
        if limit is not culprit:
            others &= limit.kept()
    alone = not others.any() or len(limits) == 1
    best = culprit.best(allowed if alone else others)
    offer = "nothing was measured that could keep it" if np.isnan(best) else f"the best that can be expected is {best:.4g}"
    return (
        f"No path keeps {culprit.name} {culprit.bound:g}{'' if alone else ' with the other limits'}: {offer}; "
        "relax the limit, or let on_infeasible be 'best_effort' or 'cheapest'."
    )
