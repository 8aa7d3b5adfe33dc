"""How many replicas a model's server has: a fixed number, or `policies.scaling` applied by Serve's autoscaler."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

from cluster.config import ModelConfig
from cluster.nodes.scaled import SCALED
from policies.scaling import Demand, ReplicaTarget, ScalingSettings

logger = logging.getLogger("ray.serve")

REPORT_S = 1.0
"""How often replicas and handles tell the controller what they counted; Serve's usual ten seconds are a long time to be late."""


LOOKS_BELOW = 2


class ReplicaPolicy:
    """Called by Serve's controller ten times a second for one server; it computes a target every `interval_s`.

    Whatever tells the demand can take the place of `ReplicaCounts`: it is called with Serve's context and returns totals.
    """

    def __init__(
        self,
        read: Callable[[AutoscalingContext], Demand] | None = None,
        clock: Callable[[], float] = time.monotonic,
        **settings: Any,
    ) -> None:
        """`settings` are the fields of `ScalingSettings`, since Serve hands over plain values."""
        self._settings = ScalingSettings(**settings)
        self._target = ReplicaTarget(self._settings)
        self._read = read or ReplicaCounts()
        self._clock = clock
        self._last: Demand | None = None
        self._decided_at = float("-inf")

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        """The replicas that there should be, for Serve to bring about; no state of Serve's is used."""
        now, current = self._clock(), context.target_num_replicas
        if now - self._decided_at < self._settings.interval_s:
            return current, {}
        self._decided_at = now
        demand = self._read(context)
        self._target.count(self._last or demand, demand)
        self._last = demand
        decision = self._target.decide(now, current)
        if decision.replicas != current:
            logger.info("%s %s %s", SCALED, context.deployment_name, decision.reason)
        return decision.replicas, {}


class ReplicaCounts:
    """Demand as the replicas counted it at their doors, and what waits at the handles for one of them.

    Replicas come and go, and their totals with them: what each has added since the last look is added up here.
    """

    def __init__(self) -> None:
        self._seen: Mapping[str, Mapping[str, float]] = {}
        self._sums = dict.fromkeys(("arrived", "missed", "served", "service_s"), 0.0)
        self._arrived = self._highest = 0.0
        self._looks_below = 0

    def __call__(self, context: AutoscalingContext) -> Demand:
        totals = _latest(context)
        for replica, counts in totals.items():
            before = self._seen.get(replica, {})
            for name in self._sums:
                self._sums[name] += max(0.0, counts.get(name, 0.0) - before.get(name, 0.0))
        self._seen = totals
        # A request that waits at a handle has arrived though no replica has seen it: the one that will is not up yet, or busy.
        self._note_arrived(self._sums["arrived"] + (context.total_queued_requests or 0.0))
        return Demand(**{**self._sums, "arrived": self._arrived})

    def _note_arrived(self, present: float) -> None:
        """`present` falls when a request has left the queue and the replica's count is still on its way, or when it was given up.

        The former is over by the next look; nothing must be counted twice for it.
        """
        if present >= self._highest:
            self._arrived += present - self._highest
        else:
            self._looks_below += 1
            if self._looks_below < LOOKS_BELOW:
                return
        self._highest, self._looks_below = present, 0


def replicas_of(model: ModelConfig) -> dict[str, Any]:
    """The options of a Serve deployment that say how many replicas it has."""
    scaling = model.scaling
    if scaling is None:
        return {"num_replicas": model.replicas}
    policy = AutoscalingPolicy(policy_function=ReplicaPolicy, policy_kwargs=asdict(scaling.settings(model.places)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Serve 2.60 announces variables instead of this field, but does not read them yet
        return {
            "autoscaling_config": AutoscalingConfig(
                min_replicas=scaling.min_replicas,
                initial_replicas=model.replicas,
                max_replicas=scaling.max_replicas,
                metrics_interval_s=REPORT_S,
                look_back_period_s=2 * REPORT_S,
                upscale_delay_s=0.0,  # when to wait is the policy's to decide
                downscale_delay_s=0.0,
                downscale_to_zero_delay_s=0.0,
                policy=policy,
            )
        }


def _latest(context: AutoscalingContext) -> dict[str, dict[str, float]]:
    """The newest totals of each replica by name."""
    totals: dict[str, dict[str, float]] = {}
    for name, series in (context.raw_metrics or {}).items():
        for replica, points in series.items():
            if points:
                totals.setdefault(str(replica), {})[name] = points[-1].value
    return totals
