"""Baselines that look at load: least outstanding requests, and the better of two random servers."""

from __future__ import annotations

import numpy as np

from policies.schedule.base import Scheduler
from policies.schedule.types import REFUSED, Arrivals, Floats


class LeastOutstanding(Scheduler):
    """The server with the smallest share of its capacity taken: a Raspberry Pi is not asked to carry what a GPU does."""

    def choose(self, arrivals: Arrivals, k: int) -> int:
        candidates = np.flatnonzero(self.open())
        return int(candidates[np.argmin(_share(self, candidates))]) if len(candidates) else REFUSED


class TwoChoices(Scheduler):
    """Of two random servers with room the one with less load (power of two choices, Mitzenmacher 2001)."""

    def choose(self, arrivals: Arrivals, k: int) -> int:
        candidates = np.flatnonzero(self.open())
        if not len(candidates):
            return REFUSED
        pair = self.rng.choice(candidates, size=min(2, len(candidates)), replace=False)
        return int(pair[np.argmin(_share(self, pair))])


def _share(scheduler: Scheduler, at: np.ndarray) -> Floats:
    share: Floats = scheduler.board.outstanding[at] / scheduler.board.capacity[at]
    return share
