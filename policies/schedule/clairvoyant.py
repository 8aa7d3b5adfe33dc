"""The clairvoyant: knows what nobody can know, to measure the others against."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from policies.schedule.arms import HALF_LIFE_S, discounted
from policies.schedule.base import Scheduler
from policies.schedule.board import Board
from policies.schedule.csucb import COMFORT, MARGIN
from policies.schedule.forecast import MAX_RATIO, PRIOR_RATIOS, PRIOR_SPREAD
from policies.schedule.types import REFUSED, SENDING_SHARE, Arrivals, Floats, Measured, Ticket


class Truth(Protocol):
    """What really happens, as only a simulation can tell."""

    def latency_s(self, k: int) -> Floats:
        """Latency of the slot's request `k` on every server if nothing came after it, shape (servers,); inf where impossible."""

    def sending_s(self, k: int) -> Floats:
        """Seconds until it would have left, shape (servers,); asked after `latency_s`, as all that follow."""

    def energy_j(self, k: int) -> Floats:
        """The energy that it would be charged, shape (servers,)."""

    def harms(self, k: int, server: int) -> bool:
        """Whether a request placed before would miss its limit if request `k` went to `server`."""


class Clairvoyant(Scheduler):
    """The least energy among the servers on which the request, and all those placed before, meet their limits; else refused.

    It knows true lengths, rates, bandwidths and queues, but not what will arrive later. How much that will stretch what it
    sees it learns as the forecasts of the others do (without it, it fills servers that the next arrivals then delay), and
    like CS-UCB it fills no link (C3) and prefers servers that leave `COMFORT` of the limit. It is strong, not optimal:
    `benchmarks.perllm` has a bound that no policy can pass.
    """

    def __init__(self, board: Board, services: int, rng: np.random.Generator, truth: Truth) -> None:
        super().__init__(board, services, rng)
        self._truth = truth
        self._stretch = discounted(services, len(board), HALF_LIFE_S)
        self._square = discounted(services, len(board), HALF_LIFE_S)

    def prepare(self, arrivals: Arrivals, now: float) -> None:
        mean = self._stretch.mean(1.0, PRIOR_RATIOS, arrivals.service, now)
        square = self._square.mean(1.0 + PRIOR_SPREAD**2, PRIOR_RATIOS, arrivals.service, now)
        self._factor = mean + MARGIN * np.sqrt(np.maximum(square - mean**2, 0.0))

    def choose(self, arrivals: Arrivals, k: int) -> int:
        self._seen = self._truth.latency_s(k)
        share = np.where(self.open(), self._seen * self._factor[k], np.inf) / arrivals.limit_s[k]
        leaves = self._truth.sending_s(k) <= SENDING_SHARE * arrivals.limit_s[k]
        feasible = np.flatnonzero((share <= 1.0) & leaves)
        tight = np.maximum(share[feasible] - (1.0 - COMFORT), 0.0)
        for server in feasible[np.lexsort((self._truth.energy_j(k)[feasible], tight))].tolist():
            if not self._truth.harms(k, server):
                return int(server)
        return REFUSED

    def place(self, arrivals: Arrivals, k: int, server: int, now: float) -> Ticket:
        return self.board.place(arrivals, k, server, now, float(self._seen[server]), 0.0)

    def learn(self, ticket: Ticket, measured: Measured, now: float) -> None:
        latency = max(ticket.limit_s, ticket.expected_s) if measured.latency_s is None else measured.latency_s
        ratio = min(latency / max(ticket.expected_s, 1e-6), MAX_RATIO)
        self._stretch.add(ticket.service, ticket.server, ratio, now)
        self._square.add(ticket.service, ticket.server, ratio**2, now)
