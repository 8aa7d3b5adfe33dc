"""Where each request goes: a fleet for each model, or way to answer with it, and one estimate of each site's link for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from cluster.arithmetic import arithmetic, configured_link
from cluster.config import Config
from deployments.gateway.client import ModelClient
from deployments.gateway.fleet import Fleet, Tell, nobody
from deployments.gateway.placement import Need, Placement
from policies.errors import Overloaded
from policies.link import LinkEstimate
from policies.space import option


class Dispatch:
    """Chooses servers in this process: microseconds instead of a call to another."""

    def __init__(
        self,
        config: Config,
        clients: Sequence[ModelClient],
        usual_s: Mapping[str, float] | None = None,
        tell: Tell = nobody,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`usual_s` is what each model takes by the profile; `tell` hears what outcomes taught."""
        usual = usual_s or {}
        links = {c.server.site: LinkEstimate(configured_link(config, c.server)) for c in clients}
        self.links: Mapping[str, LinkEstimate] = links
        self.clients: Mapping[str, Sequence[ModelClient]] = {
            name: [client for client in clients if client.server.model == option(name)] for name in config.options
        }
        self.fleets: Mapping[str, Fleet] = {
            name: Fleet(
                name,
                own,
                [arithmetic(config, c.server, max(1, c.running), usual.get(name)) for c in own],
                [links[c.server.site] for c in own],
                tell,
                clock,
            )
            for name, own in self.clients.items()
        }

    def place(self, model: str, need: Need, tried: Sequence[ModelClient] = ()) -> Placement | None:
        """A place for one request at a server of `model`; see `Fleet.place`."""
        fleet = self.fleets[model]
        if not tried:
            fleet.arrived()
        return fleet.place(need, tried)

    def refused(self, model: str, error: Exception) -> None:
        """A server of `model` answered so; too many requests are counted as demand that was not met."""
        if isinstance(error, Overloaded):
            self.fleets[model].refused()

    def foresee(self, model: str, need: Need) -> Placement | None:
        """Where a request would go now, without placing it; None when no server of `model` takes requests."""
        placement = self.fleets[model].place(need)
        if placement is None or placement.client.refusal is not None:
            return None
        placement.withdraw()
        return placement

    def turns(self, model: str) -> int:
        """How many tries a request has with the servers of `model`."""
        return sum(client.turns for client in self.clients[model])
