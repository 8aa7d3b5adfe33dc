"""The servers of one model and the policy that chooses among them (CS-UCB, PerLLM, arXiv 2405.14636), in this process.

The board is told what this gateway sees: which servers take requests, how many replicas run, what the links do, and what it has
sent where and not got back. Whatever is measured of an answer goes back into the policy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from cluster.arithmetic import FARTHEST_BITS_PER_S
from deployments.gateway.client import ModelClient
from deployments.gateway.placement import Need, Placement
from deployments.messages import StageReport
from policies.errors import InfeasibleSlo
from policies.experience import SERVICES, FleetState
from policies.link import LinkEstimate, LinkState
from policies.scaling import Demand
from policies.schedule import types
from policies.schedule.arms import Lesson
from policies.schedule.board import Board
from policies.schedule.csucb import CsUcb
from policies.schedule.types import Arrivals, Measured, Ticket
from policies.types import OnInfeasible

_PATIENCE = 2.0
"""A request without a limit is placed as if it had this many times what such a request usually takes on an idle server. Half of
that is comfort (`csucb.COMFORT`), so that every wait counts, and energy decides between servers that are about as quick."""
_SMOOTHING = 0.1
_TOKENS_PER_BYTE = 0.25
"""Of English text with a vocabulary of some ten thousands, until it is measured."""

Tell = Callable[[str, Lesson], None]
"""Is told the model's name and what an outcome taught."""


def nobody(model: str, lesson: Lesson) -> None:
    """Where no orchestrator is to hear of it."""


class Fleet:
    """Chooses the server of each request. For one event loop."""

    def __init__(
        self,
        model: str,
        clients: Sequence[ModelClient],
        profiles: Sequence[types.Server],
        links: Sequence[LinkEstimate],
        tell: Tell = nobody,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clients`, `profiles` and `links` are in the order of the servers; several may share a link."""
        self.model = model
        self.clients = tuple(clients)
        self.board = Board(profiles)
        self._profiles = list(profiles)
        self._links = links
        self._states: list[tuple[LinkState, float] | None] = [None] * len(profiles)
        self._tell = tell
        self._clock = clock
        # What a late request should get was decided with its path; a strict one is refused by `place`.
        self.scheduler = CsUcb(self.board, SERVICES, np.random.default_rng(0), on_infeasible=OnInfeasible.BEST_EFFORT)
        self.names = tuple(profile.name for profile in profiles)
        self._tokens_per_byte = _TOKENS_PER_BYTE
        self._pace: list[float | None] = [None] * SERVICES
        self._arrived = self._missed = self._served = 0
        self._service_s = 0.0

    @property
    def demand(self) -> Demand:
        """What has been counted since the start. A request that another path has failed arrives here, too."""
        return Demand(self._arrived, self._missed, self._served, self._service_s)

    def adopt(self, state: FleetState, later: Sequence[Lesson]) -> None:
        """Use what all gateways have learnt, and what this one has learnt since."""
        if state.servers != self.names:
            return  # of an earlier configuration; the next version is of this one
        now = self._clock()
        self.scheduler.believe(state.belief)
        arms = self.scheduler.forecast.arms
        arms.restore(state.arms, now)
        for lesson in later:
            arms.take(lesson, now)

    def elsewhere(self, counts: Sequence[float]) -> None:
        """Other gateways have so many requests at each server."""
        if len(counts) == len(self.names):
            self.board.elsewhere[:] = counts

    def place(self, need: Need, tried: Sequence[ModelClient] = ()) -> Placement | None:
        """A place at the best server that may still be tried; None if there is none.

        If all of these refuse requests now, the first of them is named, to say so itself. Raises InfeasibleSlo when the
        request is strict and late everywhere, by measurements.
        """
        left = [i for i, client in enumerate(self.clients) if tried.count(client) < client.turns]
        if not left:
            return None
        if len(self.clients) == 1:
            return Placement(self.clients[0], need, self)
        self._look(left)
        now = self._clock()
        ticket = self.scheduler.decide(self._arrivals(need, now), now)[0]
        if ticket is None:
            return Placement(self.clients[left[0]], need, self)
        if need.strict and ticket.slack < 0 and self._is_known(ticket, now):
            self.board.release(ticket.number)
            self._missed += 1
            raise InfeasibleSlo(self._refusal(ticket), "slo.max_latency_s")
        return Placement(self.clients[ticket.server], need, self, ticket, self._reason(ticket, len(left)))

    def answered(self, placement: Placement, report: StageReport, on_the_way_s: float, bits: float) -> None:
        """Learn from an answer; see `Placement.answered`."""
        ticket, need, now = placement.ticket, placement.need, self._clock()
        self._served += 1
        self._service_s += max(0.0, report.seconds - report.wait_s)
        self._missed += need.limited and now > need.until
        pace = (report.seconds - report.wait_s) / self._alone_s(need)
        before = self._pace[need.service]
        self._pace[need.service] = pace if before is None else before + _SMOOTHING * (pace - before)
        if need.size:
            self._tokens_per_byte += _SMOOTHING * (report.prompt_tokens / need.size - self._tokens_per_byte)
        if ticket is None:
            return
        self._links[ticket.server].note(bits, max(0.0, on_the_way_s), now)
        latency_s = now - ticket.placed_s
        self._observe(Measured(ticket.number, latency_s, report.energy_j, report.completion_tokens), now)

    def failed(self, placement: Placement) -> None:
        """Learn that nothing came, unless that was foreseen: a limit that no server keeps says nothing of the server."""
        self._missed += 1
        if placement.ticket is not None and placement.ticket.slack < 0:
            self.board.release(placement.ticket.number)
        elif placement.ticket is not None:
            self._observe(Measured(placement.ticket.number, None), self._clock())

    def arrived(self) -> None:
        """A request needs this model, whether or not it can be served."""
        self._arrived += 1

    def refused(self) -> None:
        """A request found no place at a server."""
        self._missed += 1

    def _observe(self, measured: Measured, now: float) -> None:
        ticket = self.scheduler.observe(measured, now)
        if ticket is not None and ticket.lesson is not None:
            self._tell(self.model, ticket.lesson)

    def _look(self, left: Sequence[int]) -> None:
        """Bring the board up to date. A server on trial gets one request at a time while others take some."""
        board = self.board
        trials = []
        for i, client in enumerate(self.clients):
            if client.running != board.replicas[i] and client.running:
                self._profiles[i] = replace(self._profiles[i], replicas=client.running)
                board.join(self._profiles[i])
                self._states[i] = None
            state = (self._links[i].state, client.starting_s)
            if state != self._states[i]:
                self._states[i] = state
                link, starting_s = state
                board.measured_link(i, link.round_trip_s + starting_s, min(link.bits_per_s, FARTHEST_BITS_PER_S))
            board.up[i] = is_up = i in left and client.refusal is None
            if is_up and client.breaker.half_open and board.outstanding[i]:
                trials.append(i)
        if trials and board.up.sum() > len(trials):
            board.up[trials] = False

    def usual_s(self, need: Need) -> float | None:
        """Seconds that a request like this one has taken lately on an idle server; None before the first answer."""
        pace = self._pace[need.service]
        return None if pace is None else pace * self._alone_s(need)

    def _arrivals(self, need: Need, now: float) -> Arrivals:
        limit_s = max(need.until - now, 1e-3)
        if not need.limited:
            limit_s = min(limit_s, _PATIENCE * (self.usual_s(need) or self._alone_s(need)))
        prompt_tokens, max_tokens = self._prompt_tokens(need), float(need.max_tokens)
        return Arrivals.one(need.service, -1, max(limit_s, 1e-3), prompt_tokens, max_tokens, 8.0 * need.size)

    def _prompt_tokens(self, need: Need) -> float:
        return max(1.0, need.size * self._tokens_per_byte)

    def _alone_s(self, need: Need) -> float:
        """Seconds by the profile's arithmetic, which all servers of a model share but for the network."""
        profile = self._profiles[0]
        step_s = profile.step_s + profile.step_per_sequence_s
        return self._prompt_tokens(need) / profile.prefill_tokens_per_s + need.max_tokens * step_s

    def _is_known(self, ticket: Ticket, now: float) -> bool:
        """Whether a forecast rests on a recent measurement: a guess must not refuse what nobody has tried."""
        service = slice(ticket.service, ticket.service + 1)
        return float(self.scheduler.forecast.arms.ratio.count(service, now)[0, ticket.server]) > 0.5

    def _reason(self, ticket: Ticket, among: int) -> str:
        site = self.clients[ticket.server].server.site
        late = " (late everywhere: the least violation)" if ticket.slack < 0 else ""
        return (
            f"site {site} of {among}: {ticket.forecast_s:.2g} s expected "
            f"of {ticket.limit_s:.2g} s, index {ticket.index:.2f}{late}"
        )

    def _refusal(self, ticket: Ticket) -> str:
        return (
            f"No site of the model {self.model} keeps max_latency_s: {ticket.limit_s:.3g} s are left, and the best, "
            f"{self.clients[ticket.server].server.site}, needs about {ticket.forecast_s:.3g} s; "
            "relax the limit, or let on_infeasible be 'best_effort' or 'cheapest'."
        )
