"""What a request meets now: how long it would wait at each model, and which models it cannot reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deployments.gateway.client import ModelClient


@dataclass(frozen=True, slots=True)
class Situation:
    """By name of model; one that is not named has no queue, and one that is not in `away` can be reached."""

    elapsed_s: float = 0.0
    """Since the arrival of the request: what is left of a limit is less by this."""
    wait_s: Mapping[str, float] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)
    """Why a model takes no request now."""

    @classmethod
    def of(cls, clients: Mapping[str, Sequence[ModelClient]], elapsed_s: float) -> Situation:
        """The servers of each model in the order in which they are asked: the first that takes requests counts."""
        wait_s: dict[str, float] = {}
        away: dict[str, str] = {}
        for name, servers in clients.items():
            refusal: str | None = "has no server"
            for client in servers:
                refusal = client.refusal
                if refusal is None:
                    if (seconds := client.wait_s) > 0:
                        wait_s[name] = seconds
                    break
            if refusal is not None:
                away[name] = f"the model {name} {refusal}"
        return cls(elapsed_s, wait_s, away)
