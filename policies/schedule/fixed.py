"""Baselines that look at neither load nor outcomes: nearest edge, cloud only, random, round robin."""

from __future__ import annotations

import numpy as np

from policies.schedule.base import Scheduler
from policies.schedule.types import REFUSED, Arrivals


class NearestEdge(Scheduler):
    """The edge where the request came in; refused when that is full."""

    def choose(self, arrivals: Arrivals, k: int) -> int:
        return int(arrivals.origin[k])


class CloudOnly(Scheduler):
    """The cloud server with the fewest requests."""

    def choose(self, arrivals: Arrivals, k: int) -> int:
        clouds = np.flatnonzero(self.board.cloud & self.open())
        return int(clouds[np.argmin(self.board.outstanding[clouds])]) if len(clouds) else REFUSED


class Random(Scheduler):
    """Any server that has room."""

    def choose(self, arrivals: Arrivals, k: int) -> int:
        candidates = np.flatnonzero(self.open())
        return int(self.rng.choice(candidates)) if len(candidates) else REFUSED


class RoundRobin(Scheduler):
    """The next server in turn that has room."""

    _last = -1

    def choose(self, arrivals: Arrivals, k: int) -> int:
        candidates = np.flatnonzero(self.open())
        if not len(candidates):
            return REFUSED
        self._last = int(candidates[np.searchsorted(candidates, self._last + 1) % len(candidates)])
        return self._last
