"""Run a scenario: each policy with each seed on the same requests."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np
from simpy import Environment, Event

from cluster.simulation.gateway import Gateway
from cluster.simulation.result import RunResult
from cluster.simulation.scaler import Scaler
from cluster.simulation.scenario import Scenario
from cluster.simulation.site import SimulatedServer
from cluster.simulation.summary import CLAIRVOYANT
from cluster.simulation.truth import SimulatedTruth
from cluster.simulation.workload import RequestTrace, Workload, make_workload, read_requests
from cluster.simulation.world import Blueprint
from policies.errors import ConfigurationError
from policies.schedule import make_scheduler
from policies.schedule.base import Scheduler
from policies.schedule.board import Board
from policies.schedule.clairvoyant import Clairvoyant

SWEEP_S = 5.0
PARTS = 50
"""How often a run reports its progress."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scenario with its files read."""

    scenario: Scenario
    blueprint: Blueprint
    trace: RequestTrace | None
    rate_per_s: float | None

    @classmethod
    def of(cls, scenario: Scenario) -> Prepared:
        """Read all files. Raises ConfigurationError when one is missing or wrong, or a policy is unknown."""
        plan = scenario.arrivals
        blueprint = Blueprint.of(scenario)
        for name in scenario.policies:
            if name != CLAIRVOYANT:
                make_scheduler(name, Board(blueprint.profiles), len(scenario.services), np.random.default_rng(0))
        trace = read_requests(plan.trace) if plan.trace else None
        rate = plan.rate_per_s
        if plan.load is not None:
            prompt = trace.prompt_tokens * plan.length_factor if trace else np.array([plan.prompt_tokens])
            tokens = trace.tokens * plan.length_factor if trace else np.array([plan.answer_tokens])
            rate = plan.load * blueprint.capacity_per_s(prompt, tokens)
            if not rate:
                raise ConfigurationError(
                    "arrivals.load: the cluster has no capacity; give rate_per_s, or slots and replicas to a site."
                )
        return cls(scenario, blueprint, trace, rate)

    def workload(self, seed: int) -> Workload:
        """The requests of a seed."""
        return make_workload(self.scenario, self.trace, self.rate_per_s, self.blueprint.edges(), seed)

    def run(self, policy: str, seed: int, tick: Callable[[float], None] = lambda share: None) -> RunResult:
        """One policy on one seed; `tick` gets the share that is done."""
        return Run(self, policy, seed).result(tick)

    def runs(self) -> Iterator[tuple[str, int]]:
        """All policies with all seeds."""
        return ((policy, seed) for seed in self.scenario.seeds for policy in self.scenario.policies)


class Run:
    """One policy, one seed."""

    def __init__(self, prepared: Prepared, policy: str, seed: int) -> None:
        self._scenario = scenario = prepared.scenario
        self._policy, self._seed = policy, seed
        self._env = env = Environment()
        self._workload = prepared.workload(seed)
        self._profiles = prepared.blueprint.profiles
        self._servers = prepared.blueprint.servers(env, scenario.scaling.startup_s if scenario.scaling else 0.0, seed)
        self._by_name: dict[str, SimulatedServer] = {p.name: s for p, s in zip(self._profiles, self._servers, strict=True)}
        self._board = Board(self._profiles)
        self._truth = SimulatedTruth(env, self._servers, self._workload)
        self._gateway = Gateway(env, self._make_policy(), self._servers, self._workload, scenario.patience == "forever")
        self._scaler = Scaler(env, scenario, self._by_name, self._gateway) if scenario.scaling else None

    def result(self, tick: Callable[[float], None]) -> RunResult:
        """Run until the last request that counts has been answered or its time is up."""
        env, scenario, work = self._env, self._scenario, self._workload
        for happening in scenario.happenings:
            if happening.kind == "join":
                self._board.leave(happening.site)
        env.process(self._arrive())
        env.process(self._sweep())
        for number in range(len(scenario.happenings)):
            env.process(self._happen(number))
        joules, sent = {}, {}
        for moment in (scenario.warmup_s, scenario.duration_s):
            self._run_until(moment, tick)
            joules[moment] = self._joules()
            sent[moment] = self._gateway.ledger.bits_sent
        replica_s = sum(server.replica_s for server in self._servers if server.profile.cloud)
        longest = float(work.limit_s.max()) if len(work) else 0.0
        self._run_until(scenario.duration_s + longest + 1e-6, tick)
        ledger = self._gateway.ledger
        network_j = scenario.transfer_j_per_bit * (sent[scenario.duration_s] - sent[scenario.warmup_s])
        spent = joules[scenario.duration_s] - joules[scenario.warmup_s]
        used = np.isin(np.arange(len(self._servers)), ledger.server)
        share = np.minimum(np.nan_to_num(ledger.energy_j) / ledger.reference_j, 1.0)
        return RunResult(
            policy=self._policy,
            seed=self._seed,
            arrived_s=work.times_s,
            service=work.service,
            server=ledger.server,
            latency_s=ledger.latency_s,
            met=ledger.met,
            energy_j=ledger.energy_j,
            value=ledger.met * (1 - share / 2),
            window_s=(scenario.warmup_s, scenario.duration_s),
            joules=float(spent.sum()) + network_j,
            joules_of_used=float(spent[used].sum()) + network_j,
            replica_s=replica_s,
            broken=ledger.broken,
            samples=tuple(self._scaler.samples) if self._scaler else (),
            servers=tuple(profile.name for profile in self._profiles),
        )

    def _make_policy(self) -> Scheduler:
        services, rng = len(self._scenario.services), np.random.default_rng([self._seed, 3])
        if self._policy == CLAIRVOYANT:
            return Clairvoyant(self._board, services, rng, self._truth)
        return make_scheduler(self._policy, self._board, services, rng)

    def _run_until(self, moment: float, tick: Callable[[float], None]) -> None:
        env, end = self._env, self._scenario.duration_s
        step = end / PARTS
        while env.now + step < moment:
            env.run(until=env.now + step)
            tick(min(1.0, env.now / end))
        if env.now < moment:
            env.run(until=moment)
        tick(min(1.0, env.now / end))

    def _arrive(self) -> Generator[Event, None, None]:
        """Place the arrivals, slot by slot."""
        times, slot = self._workload.times_s, self._scenario.slot_s
        first, total = 0, len(times)
        ends = (np.floor(times / slot) + 1) * slot if slot else times
        lasts = np.searchsorted(ends, ends, side="right").tolist()
        moments = ends.tolist()
        while first < total:
            delay = moments[first] - self._env.now
            if delay > 0:
                yield self._env.timeout(delay)
            self._truth.first = first
            self._gateway.place(first, lasts[first])
            first = lasts[first]

    def _sweep(self) -> Generator[Event, None, None]:
        while True:
            yield self._env.timeout(SWEEP_S)
            self._gateway.scheduler.sweep(self._env.now)

    def _happen(self, number: int) -> Generator[Event, None, None]:
        happening = self._scenario.happenings[number]
        yield self._env.timeout(happening.at_s)
        server = self._by_name[happening.site]
        if happening.kind == "fail":
            server.fail()
        elif happening.kind == "recover":
            server.recover()
        elif happening.kind == "slow":
            server.slow_down(happening.factor)
        elif happening.kind == "link":
            server.link_factor = happening.factor
        elif happening.kind == "join":
            self._board.join(server.profile)
        else:
            self._board.leave(happening.site)

    def _joules(self) -> np.ndarray:
        for server in self._servers:
            server.settle()
        return np.array([server.joules() for server in self._servers])
