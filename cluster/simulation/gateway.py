"""The gateway of the simulation: places arrivals by a policy, sends them, and reports what it measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from simpy import Environment

from cluster.simulation.job import Job, after
from cluster.simulation.site import SimulatedServer
from cluster.simulation.workload import Workload
from policies.schedule.base import Scheduler
from policies.schedule.reward import ProfileEnergy
from policies.schedule.types import REFUSED, Arrivals, Floats, Measured, Ticket


class Ledger:
    """What became of each request; arrays of shape (requests,)."""

    def __init__(self, requests: int) -> None:
        self.server = np.full(requests, REFUSED)
        self.latency_s = np.full(requests, np.nan)
        self.energy_j = np.full(requests, np.nan)
        self.met = np.zeros(requests, dtype=bool)
        self.reference_j = np.ones(requests)
        self.bits_sent = 0.0
        self.broken = 0


@dataclass(slots=True)
class InFlight:
    """A placed request on its way."""

    request: int
    ticket: Ticket
    server: SimulatedServer
    half_round_trip_s: float
    sending_s: float = 0.0
    job: Job | None = None
    over: bool = False


class Gateway:
    """Single; what it knows of servers is its own accounting and what comes back, never the simulation's state."""

    def __init__(
        self, env: Environment, scheduler: Scheduler, servers: list[SimulatedServer], workload: Workload, patient: bool
    ) -> None:
        """`patient` clients wait for their answer however late it is."""
        self._env = env
        self.scheduler = scheduler
        self._servers = servers
        self._workload = workload
        self._patient = patient
        self._energy = ProfileEnergy(scheduler.board)
        self.ledger = Ledger(len(workload))
        self.arrived: Callable[[int], None] = lambda request: None
        self.finished: Callable[[int, bool, float | None], None] = lambda request, met, service_s: None

    def place(self, first: int, last: int) -> None:
        """Decide about the requests first..last-1, which make one slot, and send them."""
        work, now, part = self._workload, self._env.now, slice(first, last)
        spent = now - work.times_s[part]  # waiting for the slot counts against the limit
        arrivals = Arrivals(
            service=work.service[part],
            origin=work.origin[part],
            limit_s=np.maximum(work.limit_s[part] - spent, 1e-6),
            prompt_tokens=work.prompt_tokens[part],
            max_tokens=work.max_tokens[part],
            bits=work.bits[part],
        )
        self.ledger.reference_j[part] = self._energy.worst_j(arrivals, work.tokens[part])
        before = self._free()
        tickets = self.scheduler.decide(arrivals, now)
        self._check(arrivals, tickets, before)
        for request, ticket in enumerate(tickets, first):
            if ticket is not None:
                self._send(request, ticket)
            self.arrived(request)

    def _send(self, request: int, ticket: Ticket) -> None:
        work, board = self._workload, self.scheduler.board
        near = work.origin[request] == ticket.server
        half = float((board.near_s if near else board.far_s)[ticket.server]) / 2
        flight = InFlight(request, ticket, self._servers[ticket.server], half)
        self.ledger.server[request] = ticket.server
        self.ledger.bits_sent += ticket.bits
        flight.sending_s = flight.server.sending_s(ticket.bits)
        if np.isfinite(flight.sending_s):
            after(self._env, flight.sending_s + half, lambda: self._arrive(flight))
        if not self._patient:
            after(self._env, ticket.limit_s, lambda: self._give_up(flight))

    def _arrive(self, flight: InFlight) -> None:
        if flight.over:
            return
        board, work = self.scheduler.board, self._workload
        board.sent(flight.ticket.number)
        deadline = float(work.times_s[flight.request] + work.limit_s[flight.request]) - flight.half_round_trip_s
        job = Job(float(work.prompt_tokens[flight.request]), float(work.tokens[flight.request]), deadline)
        job.started = lambda: board.started(flight.ticket.number)
        job.done = lambda: self._done(flight)
        flight.job = job
        if not flight.server.accept(job):
            self._end(flight, None)

    def _done(self, flight: InFlight) -> None:
        after(self._env, flight.half_round_trip_s, lambda: self._answered(flight))

    def _answered(self, flight: InFlight) -> None:
        if not flight.over:
            self._end(flight, self._env.now - flight.ticket.placed_s)

    def _give_up(self, flight: InFlight) -> None:
        if flight.over:
            return
        if flight.job is not None and flight.job.engine is not None:
            flight.job.engine.cancel(flight.job)
        self._end(flight, None)

    def _end(self, flight: InFlight, latency_s: float | None) -> None:
        flight.over = True
        request, job, ledger = flight.request, flight.job, self.ledger
        energy = job.energy_j if job is not None and job.engine is not None else None
        if energy is not None:
            ledger.energy_j[request] = energy
        if latency_s is not None:
            ledger.latency_s[request] = self._env.now - self._workload.times_s[request]
            ledger.met[request] = ledger.latency_s[request] <= self._workload.limit_s[request]
        measured = Measured(
            flight.ticket.number,
            latency_s,
            energy_j=energy,
            tokens=int(self._workload.tokens[request]) if latency_s is not None else None,
            sending_s=flight.sending_s if np.isfinite(flight.sending_s) and job is not None else None,
        )
        self.scheduler.observe(measured, self._env.now)
        self.finished(request, bool(ledger.met[request]), job.service_s if job is not None and latency_s is not None else None)

    def _free(self) -> Floats:
        free: Floats = self.scheduler.board.capacity - self.scheduler.board.outstanding
        return free

    def _check(self, arrivals: Arrivals, tickets: list[Ticket | None], before: Floats) -> None:
        """Count what breaks C2 (places), C3 (bandwidth, at which the baselines do not look) or C4 (one ticket each)."""
        board = self.scheduler.board
        placed = [ticket for ticket in tickets if ticket is not None]
        taken = np.bincount([t.server for t in placed], minlength=len(board)) if placed else np.zeros(len(board))
        over_capacity = (taken > 0) & (taken > before)
        over_bandwidth = (taken > 0) & (board.reserved_bits_per_s > board.bandwidth * (1 + 1e-9))
        twice = len(placed) - len({t.number for t in placed})
        self.ledger.broken += int(over_capacity.sum() + over_bandwidth.sum()) + twice
