"""Baseline: the server that is expected to finish first."""

from __future__ import annotations

import numpy as np

from policies.schedule.base import Scheduler, best_server
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
        self._touched: set[int] = set()
        self._promise = -self._slot.all()
        self._promise[:, ~self.open()] = -np.inf

    def choose(self, arrivals: Arrivals, k: int) -> int:
        server = best_server(self._promise[k], self._touched, lambda server: self._refresh(k, server))
        return server if np.isfinite(self._promise[k, server]) else REFUSED

    def place(self, arrivals: Arrivals, k: int, server: int, now: float) -> Ticket:
        self._touched.add(server)
        expected = self._slot.cell(k, server)
        return self.board.place(arrivals, k, server, now, expected.server_s, expected.network_s)

    def _refresh(self, k: int, server: int) -> float:
        return -self._slot.cell(k, server).latency_s if self.has_room(server) else -np.inf

    def learn(self, ticket: Ticket, measured: Measured, now: float) -> None:
        self.forecast.observe(ticket, measured, now)


class EarliestFinishAdmission(EarliestFinish):
    """The same, but a request that is expected to be late everywhere is refused: how much admission alone brings."""

    def choose(self, arrivals: Arrivals, k: int) -> int:
        server = super().choose(arrivals, k)
        return server if server != REFUSED and -self._promise[k, server] <= arrivals.limit_s[k] else REFUSED
