"""One question before a snapshot: which path it should take now, and, when somebody asks, why not another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cluster.snapshot import Snapshot
from deployments.gateway.situation import Situation
from policies.corrections import Corrections
from policies.errors import InfeasibleSlo
from policies.forecast import Forecast
from policies.signals import Signals
from policies.steps import Spent, Step
from policies.types import Decision, OnInfeasible, Path, Prediction, Privacy, Slo

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Case:
    """All that a decision rests on. Kept instead of its forecasts, which it gives again at any time: vectors are small."""

    snapshot: Snapshot
    question: str
    vector: npt.NDArray[np.float32]
    """Of the question, of length 1."""
    slo: Slo
    situation: Situation
    corrections: Corrections | None = None
    """What outcomes had taught when the case was made."""

    def forecast(self) -> Forecast:
        """What to expect of every path from now on: what the snapshot tells of an idle system, later by what it meets now."""
        forecast = self.snapshot.forecast(self.question, self.vector, self.corrections)
        late_s = self._late_s()
        return forecast._replace(
            latency_s=forecast.latency_s + late_s,
            latency_p90_s=forecast.latency_p90_s + late_s,
            ttft_p90_s=forecast.ttft_p90_s + late_s,
        )

    def decide(self, forecast: Forecast) -> Decision:
        """The selector's choice among the paths that can be run now. Raises InfeasibleSlo."""
        reachable = self._reachable()
        if reachable is None:
            return self.snapshot.select(forecast, self.slo)
        try:
            decision = self.snapshot.select_among(np.flatnonzero(reachable), forecast, self.slo)
        except InfeasibleSlo as error:
            raise InfeasibleSlo(f"{error.message} Left out for now: {self._absent()}.", error.param or "slo") from None
        return decision._replace(reason=f"{decision.reason}; left out: {self._absent()}")

    def step(self, path: Path, shown: Signals, spent: Spent) -> Step:
        """Whether the adaptive `path`, whose first part has answered, goes on in the situation of this case."""
        if path not in self.snapshot.places or path.then is None:
            return Step(False, "the first answer stands: the path is not adaptive any more")
        away = self.reason_away(path.then)
        if away is not None:
            return Step(False, f"the first answer stands: {away}")
        return self.snapshot.step(path, self.forecast(), shown, self.slo, spent)

    def keeps(self, path: Path, decision: Decision) -> bool:
        """Whether `path`, by the forecast that `decision` was made by, keeps every limit and can be run now."""
        if path not in self.snapshot.places or self.reason_away(path) is not None:
            return False
        return path.name not in decision.dropped

    def reason_away(self, path: Path) -> str | None:
        """Why `path`, which was profiled, cannot be run now."""
        away = self.situation.away
        if not away:
            return None
        calls = self.snapshot.calls[:, self.snapshot.places[path]]
        return next((away[name] for name, count in zip(self.snapshot.models, calls, strict=True) if count and name in away), None)

    def predicted(self, path: Path, forecast: Forecast | None = None) -> Prediction | None:
        """What is expected of `path`; None if it was not profiled."""
        place = self.snapshot.places.get(path)
        return None if place is None else (forecast or self.forecast()).of(place, path)

    def by_profile(self, path: Path, predicted: Prediction) -> Prediction:
        """What the profile alone predicts for an idle system, given what this case predicts of a path that is not adaptive."""
        place, late_s = self.snapshot.places[path], self._late_s()
        late = late_s if isinstance(late_s, float) else float(late_s[place])
        alone = predicted._replace(latency_s=predicted.latency_s - late, latency_p90_s=predicted.latency_p90_s - late)
        return alone if self.corrections is None else self.corrections.remove(place, alone)

    def candidates(self, decided: Path, fallbacks: tuple[Path, ...]) -> list[dict[str, Any]]:
        """Every profiled path with what is expected of it and why it was taken or not: the best first, those dropped last."""
        forecast = self.forecast()
        dropped = self._dropped(forecast)
        rows = []
        for place, path in enumerate(self.snapshot.paths):
            against = self.reason_away(path) or dropped.get(path.name)
            part = "chosen" if path == decided else f"fallback {fallbacks.index(path) + 1}" if path in fallbacks else None
            why = "; ".join(filter(None, (part, against))) or "keeps every limit"
            rows.append({"path": path.name, "predicted": shown(forecast.of(place, path)), "kept": against is None, "why": why})
        return sorted(rows, key=_rank)

    def _dropped(self, forecast: Forecast) -> Mapping[str, str]:
        """Why each path breaks a limit, whether it can be run now or not."""
        try:
            decision = self.snapshot.select(forecast, replace(self.slo, on_infeasible=OnInfeasible.BEST_EFFORT))
        except InfeasibleSlo as error:  # none keeps the privacy that was asked for
            return dict.fromkeys((path.name for path in self.snapshot.paths), error.message)
        return decision.dropped

    def _late_s(self) -> npt.NDArray[np.float64] | float:
        wait_s = self.situation.wait_s
        if not wait_s:
            return self.situation.elapsed_s
        per_model = np.array([wait_s.get(name, 0.0) for name in self.snapshot.models])
        late_s: npt.NDArray[np.float64] = per_model @ self.snapshot.calls + self.situation.elapsed_s
        return late_s

    def _reachable(self) -> BoolArray | None:
        """Which paths can be run; None if all can, or none that the caller allows: then the failure itself is the answer."""
        away = self.situation.away
        if not away:
            return None
        gone = np.array([float(name in away) for name in self.snapshot.models])
        reachable: BoolArray = gone @ self.snapshot.calls == 0
        allowed = reachable & self.snapshot.on_edge if self.slo.privacy is Privacy.EDGE else reachable
        return None if reachable.all() or not allowed.any() else reachable

    def _absent(self) -> str:
        return ", ".join(self.situation.away.values())


def shown(prediction: Prediction | None) -> dict[str, float | None] | None:
    """A prediction as callers see it; what nothing is known of is null."""
    if prediction is None:
        return None
    return {
        "accuracy": _known(prediction.accuracy),
        "latency_s": _known(prediction.latency_s),
        "latency_p90_s": _known(prediction.latency_p90_s),
        "cost_usd": _known(prediction.cost_usd),
        "energy_j": _known(prediction.energy_j),
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _rank(row: Mapping[str, Any]) -> tuple[bool, float]:
    return not row["kept"], -(row["predicted"]["accuracy"] or 0.0)
