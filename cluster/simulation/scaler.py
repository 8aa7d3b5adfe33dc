"""Elastic replicas in the simulation: feeds `policies.scaling` and applies its target."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from simpy import Environment, Event

from cluster.simulation.gateway import Gateway
from cluster.simulation.result import Sample
from cluster.simulation.scenario import Scenario
from cluster.simulation.site import SimulatedServer
from policies.scaling import ReplicaTarget
from policies.schedule.types import REFUSED


class Scaler:
    """Counts as demand for the cloud what was placed there and what was refused, for the cloud may have been what lacked."""

    def __init__(self, env: Environment, scenario: Scenario, servers: Mapping[str, SimulatedServer], gateway: Gateway) -> None:
        plan = scenario.scaling
        assert plan is not None
        self._env = env
        self._gateway = gateway
        self._interval_s = plan.interval_s
        self._name = plan.site
        self._server = servers[plan.site]
        self._index = gateway.scheduler.board.index(plan.site)
        self._target = ReplicaTarget(plan.settings(max(1, self._server.profile.slots)))
        self.samples: list[Sample] = []
        gateway.arrived, gateway.finished = self._arrived, self._finished
        env.process(self._watch())

    def _arrived(self, request: int) -> None:
        server = self._gateway.ledger.server[request]
        if server in (self._index, REFUSED):
            self._target.arrived()
            if server == REFUSED:
                self._target.missed()

    def _finished(self, request: int, met: bool, service_s: float | None) -> None:
        if self._gateway.ledger.server[request] != self._index:
            return
        if not met:
            self._target.missed()
        if service_s is not None:
            self._target.served(service_s)

    def _watch(self) -> Generator[Event, None, None]:
        while True:
            server = self._server
            current = server.ready + server.starting
            decision = self._target.decide(self._env.now, current)
            if decision.replicas != current:
                server.scale(decision.replicas, self._publish)
            self.samples.append(Sample(self._env.now, server.ready, decision.replicas, decision.reason))
            yield self._env.timeout(self._interval_s)

    def _publish(self) -> None:
        """The scheduler learns of a replica when it takes work; of a site that has left, when it joins."""
        board = self._gateway.scheduler.board
        if self._name in board:
            board.join(self._server.profile)
