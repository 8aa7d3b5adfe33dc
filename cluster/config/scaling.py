"""Replicas that follow demand: the bounds, and what a replica and a missed limit cost."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from cluster.config.base import Section
from policies.scaling import ScalingSettings


class Scaling(Section):
    """Replicas that follow demand between two bounds."""

    min_replicas: int = Field(0, ge=0, description="Replicas that always run; with 0 the model sleeps when nobody asks.")
    max_replicas: int = Field(ge=1, description="Replicas at most.")
    startup_s: float = Field(30.0, ge=0, description="Seconds from the decision until a new replica answers.")
    usd_per_replica_hour: float = Field(4.0, ge=0, description="Price of a replica.")
    usd_per_miss: float = Field(0.01, ge=0, description="What a missed limit is worth avoiding.")
    interval_s: float = Field(2.0, gt=0, description="How often the target is computed.")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas is {self.min_replicas}, above max_replicas, {self.max_replicas}")
        return self

    def settings(self, slots: int) -> ScalingSettings:
        """For the policy, with `slots` requests that one replica works on at once."""
        return ScalingSettings(
            slots=slots,
            max_replicas=self.max_replicas,
            min_replicas=self.min_replicas,
            startup_s=self.startup_s,
            interval_s=self.interval_s,
            usd_per_replica_s=self.usd_per_replica_hour / 3600,
            usd_per_miss=self.usd_per_miss,
        )
