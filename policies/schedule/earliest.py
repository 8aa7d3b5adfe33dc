"""Baseline: the server that is expected to finish first."""

from __future__ import annotations

import numpy as np

from policies.schedule.base import Scheduler
from policies.schedule.board import Board
from policies.schedule.forecast import Forecast, SlotForecast
from policies.schedule.types import REFUSED, Arrivals, Measured, Ticket


class EarliestFinish(Scheduler):
    """Least forecast latency among the servers with room, by the same measured forecast that CS-UCB uses."""

    def __init__(self, board: Board, services: int, rng: np.random.Generator) -> None:
        super().__init__(board, services, rng)
        self.forecast = Forecast(board, services)

    def prepare(self, arrivals: Arrivals, now: float) -> None:
        self._slot: SlotForecast = self.forecast.slot(arrivals, now)
        network, server = self._slot.all()
        self._latency = network + server

    def choose(self, arrivals: Arrivals, k: int) -> int:
        latency = np.where(self.open(), self._latency[k], np.inf)
        server = int(np.argmin(latency)) if len(latency) else REFUSED
        return server if server != REFUSED and np.isfinite(latency[server]) else REFUSED

    def place(self, arrivals: Arrivals, k: int, server: int, now: float) -> Ticket:
        expected = self._slot.expected(k, server)
        ticket = self.board.place(arrivals, k, server, now, expected.server_s, expected.network_s)
        network, work = self._slot.one(slice(None), server)
        self._latency[:, server] = network + work
        return ticket

    def learn(self, ticket: Ticket, measured: Measured, now: float) -> None:
        self.forecast.observe(ticket, measured, now)


class EarliestFinishAdmission(EarliestFinish):
    """The same, but a request that is expected to be late everywhere is refused: how much admission alone brings."""

    def choose(self, arrivals: Arrivals, k: int) -> int:
        server = super().choose(arrivals, k)
        return server if server != REFUSED and self._latency[k, server] <= arrivals.limit_s[k] else REFUSED
