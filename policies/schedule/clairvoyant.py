"""The clairvoyant: knows what nobody can know, to measure the others against."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from policies.schedule.base import Scheduler
from policies.schedule.board import Board
from policies.schedule.types import REFUSED, Arrivals, Floats

COMFORT = 0.0
FACTOR = 1.0
HARM = True


class Truth(Protocol):
    """What really happens, as only a simulation can tell."""

    def latency_s(self, k: int) -> Floats:
        """Latency of the slot's request `k` on every server if nothing came after it, shape (servers,); inf where impossible."""

    def energy_j(self, k: int) -> Floats:
        """The energy that it would be charged, shape (servers,)."""

    def harms(self, k: int, server: int) -> bool:
        """Whether a request placed before would miss its limit if request `k` went to `server`."""


class Clairvoyant(Scheduler):
    """The least energy among the servers on which the request, and all those placed before, meet their limits; else refused.

    It knows true lengths, rates, bandwidths and queues, but not what will arrive later.
    """

    def __init__(self, board: Board, services: int, rng: np.random.Generator, truth: Truth) -> None:
        super().__init__(board, services, rng)
        self._truth = truth

    def choose(self, arrivals: Arrivals, k: int) -> int:
        latency = np.where(self.open(), FACTOR * self._truth.latency_s(k), np.inf)
        feasible = np.flatnonzero(latency <= arrivals.limit_s[k])
        tight = np.maximum(latency[feasible] / arrivals.limit_s[k] - (1.0 - COMFORT), 0.0)
        for server in feasible[np.lexsort((self._truth.energy_j(k)[feasible], tight))].tolist():
            if not (HARM and self._truth.harms(k, server)):
                return int(server)
        return REFUSED
