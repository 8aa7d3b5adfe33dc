"""A simulated server: replicas behind one link, with failures and replicas that come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from simpy import Environment

from cluster.simulation.engine import Engine
from cluster.simulation.job import Job, after
from cluster.trace import Trace
from policies.schedule.types import Server


class SimulatedServer:
    """What stands at a site. A job goes to the replica with the fewest requests, as in Serve."""

    def __init__(
        self, env: Environment, profile: Server, link: Trace | None, phase_s: float, startup_s: float, own_prefill: bool = False
    ) -> None:
        """`link` is the bandwidth over time from `phase_s` on, None for a constant one; a replica starts in `startup_s`."""
        self._env = env
        self._profile = profile
        self._own_prefill = own_prefill
        self._link, self._phase_s = link, phase_s
        self._startup_s = startup_s
        self._free_at = 0.0
        self.link_factor = 1.0
        self._slowdown = 1.0
        self.failed = False
        self.engines = [Engine(env, profile, own_prefill) for _ in range(profile.replicas)]
        self._retired: list[Engine] = []
        self.starting = 0
        self._calls_off = 0
        self.replica_s = 0.0
        self._counted_at = 0.0

    @property
    def ready(self) -> int:
        """Replicas that take work."""
        return sum(not engine.draining for engine in self.engines)

    @property
    def profile(self) -> Server:
        """The profile with the replicas there are now."""
        return replace(self._profile, replicas=self.ready)

    def bits_per_s(self) -> float:
        """Mean bandwidth of the link."""
        return (self._link.mean_bits_per_s if self._link else self._profile.bits_per_s) * self.link_factor

    def sending_s(self, bits: float, reserve: bool = True) -> float:
        """How long `bits` take from now on until they have left, those before them included; inf on a dead link."""
        now = self._env.now
        leaves = max(now, self._free_at)
        if self.bits_per_s() <= 0:
            return float("inf") if bits > 0 else 0.0
        bits /= self.link_factor
        leaves += self._link.seconds(bits, leaves + self._phase_s) if self._link else bits / self._profile.bits_per_s
        if reserve:
            self._free_at = leaves
        return leaves - now

    def accept(self, job: Job) -> bool:
        """Give the job to a replica. False when all are full (C2); a failed server takes it and never answers."""
        if self.failed:
            return True
        engine = self._least_busy()
        if engine is None or engine.size >= self._profile.places:
            return False
        engine.submit(job)
        return True

    def foresee(self, job: Job) -> tuple[Engine | None, dict[int, float]]:
        """The replica that would get the job now, and when all its work would be done."""
        engine = None if self.failed else self._least_busy()
        if engine is None or engine.size >= self._profile.places:
            return None, {}
        return engine, engine.foresee(job)

    def fail(self) -> None:
        """Stop answering; what was here is lost."""
        self.failed = True
        for engine in self.engines:
            engine.stop()

    def recover(self) -> None:
        """Answer again, with nothing to do."""
        self.failed = False

    def slow_down(self, factor: float) -> None:
        """From now on every replica, later ones included, needs `factor` times as long."""
        self._slowdown = factor
        for engine in self.engines:
            engine.slow_down(factor)

    def scale(self, target: int, changed: Callable[[], None]) -> None:
        """Go to `target` replicas: new ones start, superfluous ones finish their work first; `changed` hears of each change."""
        self._count()
        wanted = target - self.ready - self.starting
        for _ in range(max(0, wanted)):
            self.starting += 1
            after(self._env, self._startup_s, lambda: self._started(changed))
        for _ in range(max(0, -wanted)):
            if self.starting:
                self.starting -= 1
                self._calls_off += 1
            else:
                idlest = min((engine for engine in self.engines if not engine.draining), key=lambda engine: engine.size)
                idlest.draining = True
        self._retire()
        changed()

    def settle(self) -> None:
        """Bring joules and replica-seconds up to now."""
        self._count()
        for engine in self.engines:
            engine.advance()
        self._retire()

    def joules(self) -> float:
        """Energy of all replicas there were: work, and idle time; a starting replica draws its idle power."""
        engines = [*self.engines, *self._retired]
        busy = sum(engine.busy_j for engine in engines)
        idle_s = sum(engine.idle_s for engine in engines)
        lived_s = sum(engine.idle_s + engine.busy_s for engine in engines)
        return busy + self._profile.idle_w * (idle_s + max(0.0, self.replica_s - lived_s))

    def _started(self, changed: Callable[[], None]) -> None:
        self._count()
        if self._calls_off:
            self._calls_off -= 1
            return
        self.starting -= 1
        engine = Engine(self._env, self._profile, self._own_prefill)
        engine.slow_down(self._slowdown)
        self.engines.append(engine)
        changed()

    def _retire(self) -> None:
        for engine in [engine for engine in self.engines if engine.draining and not engine.size]:
            engine.advance()
            self.engines.remove(engine)
            self._retired.append(engine)

    def _least_busy(self) -> Engine | None:
        if len(self.engines) == 1 and not self.engines[0].draining:
            return self.engines[0]
        ready = [engine for engine in self.engines if not engine.draining]
        return min(ready, key=lambda engine: engine.size) if ready else None

    def _count(self) -> None:
        now = self._env.now
        self.replica_s += (len(self.engines) + self.starting) * (now - self._counted_at)
        self._counted_at = now
