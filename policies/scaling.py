"""How many replicas the cloud should have: from arrivals, not from completions, which only say what was possible.

Every interval: Holt's linear forecast of the arrival rate λ (level and trend) as far ahead as a replica needs to start, where
only what a trend adds beyond the noise of even arrivals counts; the offered work a = λ S with S the measured seconds in a slot
per request; the slots wanted a + z sqrt(a) (square-root staffing: arrivals are not evenly spread), plus what the limits missed
of late would have needed; replicas = slots wanted / slots of a replica, where the last, partly used one must be worth its
price in misses avoided. Up at once; down only to the most that was wanted during `hold_s` for somewhat more arrivals, so that
noise does not start and stop replicas; to zero when nothing came for that long.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from policies.errors import ConfigurationError

ALPHA, BETA = 0.3, 0.05
"""Holt's smoothing of level and trend per interval."""
STAFFING_Z = 1.0
CUSHION, CUSHION_NOISE = 0.2, 2.0
"""A replica is given up only when this share more, and so many standard deviations of the noise, would not need it either."""
SERVICE_WEIGHT = 0.05
"""Weight of each new service time in their running mean."""


@dataclass(frozen=True, slots=True)
class ScalingSettings:
    """What the target depends on besides the measurements."""

    slots: int
    """Requests that a replica works on at once."""
    max_replicas: int
    min_replicas: int = 0
    startup_s: float = 30.0
    interval_s: float = 2.0
    """How often `decide` is called."""
    service_s: float = 2.0
    """Seconds in a slot per request until it is measured."""
    usd_per_replica_s: float = 0.001
    usd_per_miss: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.min_replicas <= self.max_replicas or self.max_replicas < 1:
            raise ConfigurationError(
                f"Replicas from {self.min_replicas} to {self.max_replicas}: the bounds must rise from 0, and end at 1 or more."
            )
        for name in ("slots", "interval_s", "service_s"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"Scaling: {name} is {getattr(self, name):g}; it must be above 0.")
        for name in ("startup_s", "usd_per_replica_s", "usd_per_miss"):
            if not getattr(self, name) >= 0:
                raise ConfigurationError(f"Scaling: {name} is {getattr(self, name):g}; it must be at least 0.")

    @property
    def hold_s(self) -> float:
        """How long fewer replicas must have been enough: starting one anew costs its start-up time."""
        return max(2.0 * self.startup_s, 10.0 * self.interval_s)


@dataclass(frozen=True, slots=True)
class Demand:
    """What has been counted for one server since some moment; all of it only grows."""

    arrived: float
    """Requests that need it, whether or not it could take them."""
    missed: float
    """Those that missed their limit."""
    served: float
    service_s: float
    """Seconds in a slot of all that were served."""


@dataclass(frozen=True, slots=True)
class ScalingDecision:
    """The target, and why, with the numbers."""

    replicas: int
    reason: str


class ReplicaTarget:
    """Collects what happened and computes the target. A clock that goes back is taken to stand still."""

    def __init__(self, settings: ScalingSettings) -> None:
        self._settings = settings
        self._service_s = settings.service_s
        self._level: float | None = None
        self._trend = self._noise = 0.0
        self._arrivals = self._misses = self._miss_rate = 0.0
        self._began: float | None = None
        self._before = 0
        self._wanted: deque[tuple[float, int]] = deque()

    def arrived(self, requests: float = 1) -> None:
        """Requests that need the cloud, whether or not it could take them."""
        self._arrivals += max(0.0, requests)

    def missed(self, requests: float = 1) -> None:
        """Requests for the cloud that missed their limit."""
        self._misses += max(0.0, requests)

    def served(self, service_s: float, requests: float = 1) -> None:
        """The measured mean seconds in a slot of some requests; impossible numbers are ignored."""
        if math.isfinite(service_s) and service_s > 0 and requests > 0:
            self._service_s += (1 - (1 - SERVICE_WEIGHT) ** requests) * (service_s - self._service_s)

    def count(self, last: Demand, now: Demand) -> None:
        """All that happened between two readings of the same counters."""
        self.arrived(now.arrived - last.arrived)
        self.missed(now.missed - last.missed)
        served = now.served - last.served
        if served > 0:
            self.served((now.service_s - last.service_s) / served, served)

    def decide(self, now: float, current: int) -> ScalingDecision:
        """The replicas that there should be, given that `current` are ready or starting.

        Somebody else may have started some meanwhile, as Serve does for the first request to a sleeping model, or before the
        first decision; these are kept for `hold_s` as if they had been wanted here.
        """
        settings = self._settings
        passed = settings.interval_s if self._began is None else now - self._began
        if passed < settings.interval_s / 2:  # a rate over so short a time says nothing
            return ScalingDecision(current, f"keep {current}: {passed:.3g} s since the last decision are too short to tell")
        self._began = now
        rate = self._forecast(passed)
        wanted = self._replicas(rate)
        cushioned = self._replicas(rate + max(CUSHION * rate, CUSHION_NOISE * self._noise))
        self._wanted.append((now, max(cushioned, current) if current > self._before else cushioned))
        while self._wanted[0][0] < now - settings.hold_s:
            self._wanted.popleft()
        most = max(count for _, count in self._wanted)
        numbers = (
            f"forecast {rate:.2f} arrivals/s in {settings.startup_s:g} s "
            f"(now {self._level:.2f}, {self._trend:+.3f} per interval), "
            f"{self._service_s:.2f} s in one of {settings.slots} slots, {self._miss_rate:.2f} misses/s"
        )
        if wanted > current:
            decision = ScalingDecision(wanted, f"up from {current} to {wanted}: {numbers}")
        elif most < current:
            most = max(most, min(1, current - 1))  # to zero by way of one, as Serve goes
            why = f"no more were wanted for {settings.hold_s:g} s"
            decision = ScalingDecision(most, f"down from {current} to {most}: {why}; {numbers}")
        else:
            why = f"{wanted} wanted, at most {most} within {settings.hold_s:g} s"
            decision = ScalingDecision(current, f"keep {current}: {why}; {numbers}")
        self._before = decision.replicas
        return decision

    def _forecast(self, passed_s: float) -> float:
        """Holt: the arrival rate when a replica that is started now would be ready."""
        rate, self._miss_rate = self._arrivals / passed_s, self._misses / passed_s
        silent = self._arrivals == 0
        self._arrivals = self._misses = 0.0
        if self._level is None:
            self._level = rate
        else:
            before = self._level
            self._level = ALPHA * rate + (1 - ALPHA) * (before + self._trend)
            self._trend = BETA * (self._level - before) + (1 - BETA) * self._trend
        # Smoothing never ends at zero by itself; far less than a request within the hold time is nobody.
        if self._level < 0 or (silent and self._level * self._settings.hold_s < 0.5):
            self._level, self._trend = 0.0, 0.0
        # Evenly mixed arrivals alone move the level by so much (variance of an exponentially weighted mean of Poisson counts).
        self._noise = math.sqrt(self._level / self._settings.interval_s * ALPHA / (2 - ALPHA))
        rise = self._trend * self._settings.startup_s / self._settings.interval_s
        return self._level + max(0.0, rise - self._noise)

    def _replicas(self, rate: float) -> int:
        settings = self._settings
        busy = rate * self._service_s
        slots = (busy + STAFFING_Z * math.sqrt(busy) + self._miss_rate * self._service_s) / settings.slots
        whole = int(slots)
        # The last one serves only a part of what it could: worth it if the misses it avoids cost more than it does.
        avoided_per_s = (slots - whole) * settings.slots / self._service_s
        if avoided_per_s * settings.usd_per_miss > settings.usd_per_replica_s:
            whole += 1
        return min(max(whole, settings.min_replicas), settings.max_replicas)
