"""What a run brought: one row per request, and the samples taken along the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.schedule.types import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Sample:
    """The cloud at one moment."""

    at_s: float
    replicas: int
    target: int
    reason: str


@dataclass(frozen=True, slots=True)
class RunResult:
    """One policy, one seed. Arrays have the shape (requests,) and the order of arrival."""

    policy: str
    seed: int
    arrived_s: Floats
    service: Ints
    server: Ints
    """-1 where the request was refused."""
    latency_s: Floats
    """NaN where there was no answer."""
    met: Bools
    energy_j: Floats
    """Charged to the request; NaN where it reached no server."""
    value: Floats
    """met * (1 - e / 2): an answer in time is worth one, less up to half for its energy share e (`policies.schedule.reward`)."""
    window_s: tuple[float, float]
    joules: float
    """Of the whole cluster within the window, idle time and network included."""
    joules_of_used: float
    """The same without the servers that got no request at all."""
    replica_s: float
    broken: int
    """Requests placed against C2, C3 or C4 by what the policy knew."""
    samples: tuple[Sample, ...]
    servers: tuple[str, ...]

    @property
    def counted(self) -> Bools:
        """Requests that arrived within the window."""
        low, high = self.window_s
        return (self.arrived_s >= low) & (self.arrived_s < high)

    @property
    def served_per_s(self) -> float:
        """Requests answered within their limit per second."""
        low, high = self.window_s
        return float(self.met[self.counted].sum() / (high - low))

    @property
    def attainment(self) -> float:
        """Share of the requests answered within their limit; 1 when none arrived."""
        met = self.met[self.counted]
        return float(met.mean()) if len(met) else 1.0

    @property
    def joules_per_served(self) -> float:
        """Energy of the used servers per request answered in time; inf when there is none."""
        met = self.met[self.counted].sum()
        return float(self.joules_of_used / met) if met else float("inf")

    def attainment_of(self, service: int) -> float:
        """Attainment of one class; 1 when none arrived."""
        met = self.met[self.counted & (self.service == service)]
        return float(met.mean()) if len(met) else 1.0

    def latency_quantile(self, q: float) -> float:
        """Quantile of the measured latencies; NaN without any."""
        latency = self.latency_s[self.counted]
        latency = latency[np.isfinite(latency)]
        return float(np.quantile(latency, q)) if len(latency) else float("nan")
