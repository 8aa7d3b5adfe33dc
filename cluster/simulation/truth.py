"""The clairvoyant's knowledge: what the simulated servers really would do with a request."""

from __future__ import annotations

import numpy as np
from simpy import Environment

from cluster.simulation.engine import Engine
from cluster.simulation.job import Job
from cluster.simulation.site import SimulatedServer
from cluster.simulation.workload import Workload
from policies.schedule.types import Floats


class SimulatedTruth:
    """Asks every server's engine to run ahead; exact but for requests that are still on the way to it or come later."""

    def __init__(self, env: Environment, servers: list[SimulatedServer], workload: Workload) -> None:
        self._env = env
        self._servers = servers
        self._workload = workload
        self.first = 0
        """The request that is number 0 of the slot to be decided."""

    def latency_s(self, k: int) -> Floats:
        request, now = self.first + k, self._env.now
        self._seen: list[tuple[Engine | None, dict[int, float]]] = []
        self._job = Job(float(self._workload.prompt_tokens[request]), float(self._workload.tokens[request]))
        latency = np.full(len(self._servers), np.inf)
        self._sending = np.full(len(self._servers), np.inf)
        for i, server in enumerate(self._servers):
            engine, done = server.foresee(self._job)
            self._seen.append((engine, done))
            if engine is not None:
                profile = server.profile
                round_trip = profile.near_s if self._workload.origin[request] == i else profile.far_s
                self._sending[i] = server.sending_s(float(self._workload.bits[request]), reserve=False)
                latency[i] = done[self._job.order] - now + self._sending[i] + round_trip
        return latency

    def sending_s(self, k: int) -> Floats:
        return self._sending

    def energy_j(self, k: int) -> Floats:
        joules = np.full(len(self._servers), np.inf)
        for i, (engine, done) in enumerate(self._seen):
            if engine is not None:
                sequences = min(engine.in_slots + 1, engine.profile.slots)
                joules[i] = (done[self._job.order] - self._env.now) * engine.watts(sequences) / sequences
        return joules

    def harms(self, k: int, server: int) -> bool:
        engine, with_it = self._seen[server]
        if engine is None:
            return True
        endangered = [job for job in engine.jobs() if with_it[job.order] > job.deadline_s]
        if not endangered:
            return False
        without = engine.foresee()
        return any(without[job.order] <= job.deadline_s for job in endangered)
