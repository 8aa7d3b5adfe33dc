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

import numpy as np

from policies.schedule.base import Scheduler
from policies.schedule.board import Board
from policies.schedule.forecast import Forecast, MakeMemory, SlotForecast, discounted
from policies.schedule.reward import ProfileEnergy, measured_reward, reward
from policies.schedule.types import REFUSED, Arrivals, Floats, Measured, Ticket
from policies.types import OnInfeasible

DELTA, THETA = 0.05, 4.0
PRIOR_REWARDS = 3.0
MARGIN = 0.5
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
        self._rewards = make_memory(services, len(board))
        self._rejects = on_infeasible is OnInfeasible.REJECT
        self._generation = list(board.generation)
        self._energy = ProfileEnergy(board)

    def prepare(self, arrivals: Arrivals, now: float) -> None:
        self._follow()
        self._arrivals = arrivals
        self._slot: SlotForecast = self.forecast.slot(arrivals, now)
        self._need = arrivals.bits / arrivals.limit_s
        share, self._worst_j = self._energy.share(arrivals, self._slot.tokens)
        self._slack = self._constraint(*self._slot.all(MARGIN), slice(None))
        mean = self._rewards.mean(reward(share, self._slack), PRIOR_REWARDS, arrivals.service, now)
        count = self._rewards.count(arrivals.service, now)
        t = np.maximum(count.sum(axis=1, keepdims=True), np.e)
        self._base = mean + DELTA * np.sqrt(np.log(t) / (count + PRIOR_REWARDS))
        self._index = self._base + THETA * np.minimum(self._slack, 0.0)

    def choose(self, arrivals: Arrivals, k: int) -> int:
        if not len(self.board):
            return REFUSED
        server = int(np.argmax(self._index[k]))
        slack = self._slack[k, server]
        if slack <= NO or (slack < 0 and self._rejects):
            return REFUSED
        # θ may let a good arm outbid a smaller violation; when all are late, only the violation counts.
        return server if slack >= 0 else int(np.argmax(self._slack[k]))

    def place(self, arrivals: Arrivals, k: int, server: int, now: float) -> Ticket:
        expected = self._slot.expected(k, server)
        ticket = self.board.place(arrivals, k, server, now, expected.server_s, expected.network_s)
        ticket.reference_j = float(self._worst_j[k])
        ticket.room = self._room(server)
        if len(arrivals) > 1:
            self._slack[:, server] = slack = self._constraint(*self._slot.one(slice(None), server, MARGIN), server)
            self._index[:, server] = self._base[:, server] + THETA * np.minimum(slack, 0.0)
        return ticket

    def learn(self, ticket: Ticket, measured: Measured, now: float) -> None:
        self._follow()
        self.forecast.observe(ticket, measured, now)
        value = measured_reward(ticket, measured)
        if value is not None:
            self._rewards.add(ticket.service, ticket.server, value, now)

    def _constraint(self, network: Floats, server: Floats, at: slice | int) -> Floats:
        """f(y) of placing each request on the servers `at`: NO where C2 or C3 would break, below 0 where only C1 would."""
        board, all_servers = self.board, isinstance(at, slice)
        limit, need = self._arrivals.limit_s, self._need
        if all_servers:
            limit, need = limit[:, None], need[:, None]
        capacity, bandwidth = board.capacity[at], board.bandwidth[at]
        time = 1.0 - (network + server) / limit
        free = (capacity - board.outstanding[at] - 1.0) / np.maximum(capacity, 1.0)
        left = (bandwidth - board.reserved_bits_per_s[at] - need) / np.maximum(bandwidth, 1.0)
        allowed = (left >= 0) & (free >= 0) & board.up[at]
        slack: Floats = np.where(allowed, np.minimum(time, np.minimum(left, free)), NO)
        return slack

    def _room(self, server: int) -> float:
        board = self.board
        free = 1.0 - board.outstanding[server] / board.capacity[server]
        left = 1.0 - board.reserved_bits_per_s[server] / max(board.bandwidth[server], 1.0)
        return float(min(free, left))

    def _follow(self) -> None:
        """Servers joined or changed: make room, and forget those whose index was taken by another."""
        if self._generation == self.board.generation:
            return
        self._rewards.grow(len(self.board))
        for i, (known, actual) in enumerate(zip(self._generation, self.board.generation, strict=False)):
            if known != actual:
                self._rewards.forget(i)
        self._generation = list(self.board.generation)
        self._energy = ProfileEnergy(self.board)
