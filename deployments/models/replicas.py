"""How many replicas a model's server has: a fixed number, or `policies.scaling` applied by Serve's autoscaler."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

from cluster.config import Config
from cluster.nodes.scaled import SCALED
from cluster.orchestrator.handle import digest
from cluster.servers import servers
from deployments.models.demand import OrchestratorDemand, ServerDemand
from policies.scaling import Demand, ReplicaTarget, ScalingSettings

logger = logging.getLogger("ray.serve")

REPORT_S = 1.0
"""How often replicas and handles tell the controller what they counted; Serve's usual ten seconds are a long time to be late."""


class ReplicaPolicy:
    """Called by Serve's controller ten times a second for one server; it computes a target every `interval_s`."""

    def __init__(
        self,
        model: str,
        servers: int = 1,
        orchestrator: str | None = None,
        read: Callable[[AutoscalingContext], Demand] | None = None,
        clock: Callable[[], float] = time.monotonic,
        **settings: Any,
    ) -> None:
        """Plain values, as Serve hands them over: `settings` are the fields of `ScalingSettings`; `model` has so many `servers`.

        `orchestrator` is the digest by which the orchestrator is found; without one the replicas' own counts have to do.
        `read` tells the demand instead.
        """
        self._settings = ScalingSettings(**settings)
        self._target = ReplicaTarget(self._settings)
        tell = OrchestratorDemand(orchestrator, model) if orchestrator else lambda application: None
        self._read = read or ServerDemand(tell, servers)
        self._clock = clock
        self._last: Demand | None = None
        self._current: int | None = None
        self._decided_at = float("-inf")

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        """The replicas that there should be, for Serve to bring about; no state of Serve's is used."""
        now, current = self._clock(), context.target_num_replicas
        if self._current is not None and current > self._current:
            self._explain(context, f"up from {self._current} to {current}: requests waited and no replica ran")
        self._current = current
        if now - self._decided_at < self._settings.interval_s:
            return current, {}
        self._decided_at = now
        demand = self._read(context)
        self._target.count(self._last or demand, demand)
        self._last = demand
        decision = self._target.decide(now, current)
        if decision.replicas != current:
            self._explain(context, decision.reason)
        self._current = decision.replicas
        return decision.replicas, {}

    def _explain(self, context: AutoscalingContext, reason: str) -> None:
        logger.info("%s %s %s", SCALED, context.deployment_name, reason)


def replicas_of(config: Config, name: str) -> dict[str, Any]:
    """The options of the Serve deployments of a model that say how many replicas each has."""
    model, url = config.models[name], config.learning.url
    scaling = model.scaling
    if scaling is None:
        return {"num_replicas": model.replicas}
    known: dict[str, Any] = {"model": name, "servers": sum(server.model == name for server in servers(config))}
    known |= {"orchestrator": digest(url) if url else None, **asdict(scaling.settings(model.places))}
    policy = AutoscalingPolicy(policy_function=ReplicaPolicy, policy_kwargs=known)
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
