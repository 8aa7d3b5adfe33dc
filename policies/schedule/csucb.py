"""CS-UCB: an upper-confidence-bound bandit with a constraint-satisfaction mechanism (PerLLM, arXiv 2405.14636).

Arms are (service class, server). For each request the servers are filtered by capacity (C2) and bandwidth (C3), and
the one with the highest index is taken (C4):

    R̄(a) + δ sqrt(ln t / L(a)) + θ P(t),   P = 0 if f(y) >= 0 else -|f(y)|

with R̄ the mean of measured rewards, L the effective number of them, and f(y) the least slack in time (C1), capacity and
bandwidth, forecast for now. [P] are index, constraint function and penalty; [O] is that rewards fade with age (plain means
do not follow drift), that a cold arm begins with the reward its profile promises, counted as `PRIOR_REWARDS` measured
ones, that the forecast of the time carries `MARGIN` standard deviations on top, and that a request which breaks its
limit on every server is refused rather than placed to fail others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from policies.schedule.arms import MakeMemory, discounted
from policies.schedule.base import Scheduler, best_server
from policies.schedule.belief import Belief
from policies.schedule.board import Board
from policies.schedule.forecast import Forecast, SlotForecast
from policies.schedule.reward import ProfileEnergy, measured_reward, reward
from policies.schedule.types import REFUSED, Arrivals, Floats, Measured, Ticket
from policies.types import OnInfeasible

DELTA, THETA = 0.05, 4.0
PRIOR_REWARDS = 3.0
PRIOR_SLACK = 0.5
"""f(y) that a cold arm is believed to have had."""
MARGIN = 0.25
COMFORT = 0.5
FEW = 6
"""Requests times servers of a slot that are computed one by one: matrices take longer to set up than that."""
NO = -1e9
"""Index of a server that breaks C2 or C3."""


class CsUcb(Scheduler):
    """The bandit; `make_memory` decides how measured rewards and times fade."""

    def __init__(
        self,
        board: Board,
        services: int,
        rng: np.random.Generator,
        make_memory: MakeMemory = discounted,
        on_infeasible: OnInfeasible = OnInfeasible.REJECT,
    ) -> None:
        """`on_infeasible`: reject a request that is late on every server, or (otherwise) take the least violation."""
        super().__init__(board, services, rng)
        self.forecast = Forecast(board, services, make_memory)
        self._rejects = on_infeasible is OnInfeasible.REJECT
        self._generation = list(board.generation)
        self._energy = ProfileEnergy(board)

    def believe(self, belief: Belief) -> None:
        """Arms that were not measured lately are like this from now on."""
        self.forecast.belief = belief
        self._energy = ProfileEnergy(self.board, belief.energy)

    def prepare(self, arrivals: Arrivals, now: float) -> None:
        self._follow()
        self._slot: SlotForecast = self.forecast.slot(arrivals, now, MARGIN)
        self._per_limit = 1.0 / arrivals.limit_s
        self._need = arrivals.bits_per_s
        self._worst_j = self._energy.worst_j(arrivals, self._slot.tokens)
        self._touched: set[int] = set()
        self._base = self._optimism(now)
        self._per_bandwidth = 1.0 / np.maximum(self.board.bandwidth, 1.0)
        if len(arrivals) * len(self.board) <= FEW:
            self._slack = np.empty((len(arrivals), len(self.board)))
            cells = [[self._refresh(k, server) for server in range(len(self.board))] for k in range(len(arrivals))]
            self._index = np.array(cells)
            return
        self._slack = self._constraints()
        self._index = np.minimum(self._slack, COMFORT)
        self._index -= COMFORT
        self._index *= THETA
        self._index += self._base[self._slot.group]

    def choose(self, arrivals: Arrivals, k: int) -> int:
        server = best_server(self._index[k], self._touched, lambda server: self._refresh(k, server))
        slack = self._slack[k, server]
        if slack >= 0:
            return server
        # θ may let a good arm outbid a smaller violation; when all are late, only the violation counts.
        server = best_server(self._slack[k], self._touched, lambda server: self._constraint(k, server))
        slack = self._slack[k, server]
        return server if slack >= 0 or (slack > NO and not self._rejects) else REFUSED

    def place(self, arrivals: Arrivals, k: int, server: int, now: float) -> Ticket:
        expected = self._slot.cell(k, server)
        room = min(
            float(self._capacity(server)), 1.0 - float(self.board.reserved_bits_per_s[server] * self._per_bandwidth[server])
        )
        ticket = self.board.place(arrivals, k, server, now, expected.server_s, expected.network_s)
        ticket.reference_j, ticket.room = float(self._worst_j[k]), room
        ticket.forecast_s = expected.latency_s
        ticket.slack, ticket.index = float(self._slack[k, server]), float(self._index[k, server])
        self._touched.add(server)
        return ticket

    def learn(self, ticket: Ticket, measured: Measured, now: float) -> None:
        self._follow()
        value, energy = measured_reward(ticket, measured), self._energy.ratio(ticket, measured)
        ticket.lesson = self.forecast.observe(ticket, measured, now, value, energy)

    def _optimism(self, now: float) -> Floats:
        """R̄ + δ sqrt(ln t / L) of the classes in the slot, shape (classes, servers)."""
        slot = self._slot
        rewards = self.forecast.arms.reward
        prompt, tokens = slot.typical()
        promised = reward(self._energy.share(prompt, tokens), PRIOR_SLACK)
        count = rewards.count(slot.classes, now)
        t = np.maximum(count.sum(axis=1, keepdims=True), np.e)
        optimism: Floats = rewards.mean(promised, PRIOR_REWARDS, slot.classes, now)
        optimism += DELTA * np.sqrt(np.log(t) / (count + PRIOR_REWARDS))
        return optimism

    def _constraints(self) -> Floats:
        """f(y) of placing each request on each server: NO where C2 or C3 would break, below 0 where only C1 would."""
        board = self.board
        left = board.bandwidth - board.reserved_bits_per_s
        slack = self._slot.slack(self._per_limit)
        shares = np.multiply.outer(-self._need, self._per_bandwidth)
        shares += left * self._per_bandwidth
        np.minimum(slack, shares, out=slack)
        np.minimum(slack, self._capacity(slice(None)), out=slack)
        narrow = left < self._need.max()
        if narrow.any():  # few servers, so that not all have to be looked at again
            slack[:, narrow] = np.where(self._need[:, None] > left[narrow], NO, slack[:, narrow])
        return slack

    def _constraint(self, k: int, server: int) -> float:
        """f(y) of request `k` on one server as the board is now."""
        board = self.board
        left = board.bandwidth[server] - board.reserved_bits_per_s[server] - self._need[k]
        if left < 0:
            return NO
        time = 1.0 - self._slot.cell(k, server).latency_s * self._per_limit[k]
        return float(min(time, left * self._per_bandwidth[server], self._capacity(server)))

    def _refresh(self, k: int, server: int) -> float:
        """The index of request `k` on one server as the board is now."""
        self._slack[k, server] = slack = self._constraint(k, server)
        return float(self._base[self._slot.group[k], server]) + THETA * min(slack - COMFORT, 0.0)

    def _capacity(self, at: slice | int) -> Any:
        """The share of the capacity that one more request would leave; NO where there is no place for it."""
        board = self.board
        free = board.capacity[at] - board.outstanding[at] - 1.0
        if not isinstance(at, slice):
            return free / board.capacity[at] if free >= 0 and board.up[at] else NO
        return np.where(board.up & (free >= 0), free / np.maximum(board.capacity, 1.0), NO)

    def _follow(self) -> None:
        """Servers joined or changed. What was measured of them follows by itself, see `Forecast`."""
        if self._generation == self.board.generation:
            return
        self._generation = list(self.board.generation)
        self._energy = ProfileEnergy(self.board)
