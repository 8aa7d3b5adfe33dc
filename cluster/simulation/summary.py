"""What the runs of each policy say together: means over seeds with their confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cluster.simulation.result import RunResult
from cluster.simulation.scenario import Scenario

CLAIRVOYANT = "clairvoyant"
T_95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09)
"""Two-sided 95 % quantiles of Student's t for 1 to 19 degrees of freedom; the last stands for more, being a little too wide."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over seeds and half the width of its 95 % confidence interval (Student's t); None for a single seed."""

    mean: float
    half_width: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        """Of one value per seed; infinite values make the mean infinite."""
        mean, n = float(np.mean(values)), len(values)
        if n < 2 or not math.isfinite(mean):
            return cls(mean, None)
        t = T_95[min(n - 2, len(T_95) - 1)]
        return cls(mean, float(t * np.std(values, ddof=1) / math.sqrt(n)))

    def __str__(self) -> str:
        return _rounded(self.mean, 3) if self.half_width is None else f"{_rounded(self.mean, 3)} ±{_rounded(self.half_width, 2)}"


def _rounded(value: float, digits: int) -> str:
    """To so many significant digits, or to a whole number if that has more: nobody reads powers of ten in a table."""
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if "e+" in text else text


@dataclass(frozen=True, slots=True)
class PolicySummary:
    """One policy over all seeds."""

    policy: str
    served_per_s: Interval
    attainment: Interval
    attainment_by_service: dict[str, float]
    joules_per_served: Interval
    """Of the servers that the policy used, idle time included."""
    p95_s: float
    refused: float
    regret_per_request: float | None
    """Mean of the clairvoyant's value less this policy's on the same requests; None when the clairvoyant was not run."""
    cloud_replica_s: float
    broken: int

    def as_json(self) -> dict[str, Any]:
        """For `--json`; what is not finite becomes null."""
        return {key: _finite(value) for key, value in asdict(self).items()}


def summarise(scenario: Scenario, results: Sequence[RunResult]) -> list[PolicySummary]:
    """In the order of the scenario's policies."""
    best = {r.seed: r for r in results if r.policy == CLAIRVOYANT}
    return [_summary(scenario, [r for r in results if r.policy == policy], best) for policy in scenario.policies]


def broken_by(summaries: Sequence[PolicySummary]) -> str:
    """Which policies broke C2-C4 and how often, as a sentence: too few do for a column in a narrow table."""
    times = ", ".join(f"{s.policy} {s.broken:,} times" for s in summaries if s.broken)
    return f"C2-C4 broken by {times}" if times else "C2-C4 broken by none"


def regret(result: RunResult, clairvoyant: RunResult) -> np.ndarray:
    """The clairvoyant's value less this run's, request by request, of those that count."""
    counted = result.counted
    difference: np.ndarray = clairvoyant.value[counted] - result.value[counted]
    return difference


def _summary(scenario: Scenario, runs: Sequence[RunResult], best: dict[int, RunResult]) -> PolicySummary:
    regrets = [regret(r, best[r.seed]) for r in runs if r.seed in best and r.counted.any()]
    refused = [float((r.server[r.counted] < 0).mean()) for r in runs if r.counted.any()]
    return PolicySummary(
        policy=runs[0].policy,
        served_per_s=Interval.of([r.served_per_s for r in runs]),
        attainment=Interval.of([r.attainment for r in runs]),
        attainment_by_service={
            service.name: float(np.mean([r.attainment_of(i) for r in runs])) for i, service in enumerate(scenario.services)
        },
        joules_per_served=Interval.of([r.joules_per_served for r in runs]),
        p95_s=float(np.mean([r.latency_quantile(0.95) for r in runs])),
        refused=float(np.mean(refused)) if refused else 0.0,
        regret_per_request=float(np.mean([r.mean() for r in regrets])) if regrets else None,
        cloud_replica_s=float(np.mean([r.replica_s for r in runs])),
        broken=sum(r.broken for r in runs),
    )


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
