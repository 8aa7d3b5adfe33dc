"""What a request meets now: how long it would wait at each model, and which models it cannot reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from deployments.gateway.client import ModelClient


@dataclass(frozen=True, slots=True)
class Situation:
    """By name of model; one that is not named has no queue, and one that is not in `away` can be reached."""

    elapsed_s: float = 0.0
    """Since the arrival of the request: what is left of a limit is less by this."""
    wait_s: Mapping[str, float] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)
    """Why a model takes no request now."""
    starting_s: Mapping[str, float] = field(default_factory=dict)
    """Of models that sleep, the part of the wait that waking them takes."""

    def awake(self) -> Situation:
        """The same if no model slept."""
        awake = {name: seconds - self.starting_s.get(name, 0.0) for name, seconds in self.wait_s.items()}
        return replace(self, wait_s=awake, starting_s={})

    @classmethod
    def of(cls, clients: Mapping[str, Sequence[ModelClient]], elapsed_s: float) -> Situation:
        """Of the servers of each model that take requests the one with the shortest queue counts: one of them is chosen later."""
        wait_s: dict[str, float] = {}
        away: dict[str, str] = {}
        starting_s: dict[str, float] = {}
        for name, servers in clients.items():
            refusals = {client: client.refusal for client in servers}
            waits = [(client.wait_s, client.starting_s) for client, refusal in refusals.items() if refusal is None]
            if not waits:
                away[name] = f"the model {name} {next(iter(refusals.values()), 'has no server')}"
                continue
            seconds, starting = min(waits)
            if seconds > 0:
                wait_s[name] = seconds
            if starting > 0:
                starting_s[name] = starting
        return cls(elapsed_s, wait_s, away, starting_s)
