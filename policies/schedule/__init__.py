"""Where to run: schedulers with one interface, by name. The clairvoyant is not among them: it needs a simulation's truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from policies.errors import ConfigurationError, nearest
from policies.schedule.bandits import Thompson, Ucb1
from policies.schedule.base import Scheduler
from policies.schedule.board import Board
from policies.schedule.csucb import CsUcb
from policies.schedule.earliest import EarliestFinish, EarliestFinishAdmission
from policies.schedule.fixed import CloudOnly, NearestEdge, Random, RoundRobin
from policies.schedule.load import LeastOutstanding, TwoChoices
from policies.schedule.memory import Plain, Sliding
from policies.types import OnInfeasible

SCHEDULERS: dict[str, Callable[[Board, int, np.random.Generator], Scheduler]] = {
    "cs_ucb": CsUcb,
    "cs_ucb_sliding": lambda board, services, rng: CsUcb(
        board, services, rng, lambda rows, columns, half_life_s: Sliding(rows, columns, 2 * half_life_s)
    ),
    "cs_ucb_plain": lambda board, services, rng: CsUcb(
        board, services, rng, lambda rows, columns, half_life_s: Plain(rows, columns)
    ),
    "cs_ucb_best_effort": lambda board, services, rng: CsUcb(board, services, rng, on_infeasible=OnInfeasible.BEST_EFFORT),
    "nearest_edge": NearestEdge,
    "cloud_only": CloudOnly,
    "random": Random,
    "round_robin": RoundRobin,
    "least_outstanding": LeastOutstanding,
    "two_choices": TwoChoices,
    "earliest_finish": EarliestFinish,
    "earliest_finish_admission": EarliestFinishAdmission,
    "ucb1": Ucb1,
    "thompson": Thompson,
}


def make_scheduler(name: str, board: Board, services: int, rng: np.random.Generator) -> Scheduler:
    """The policy called `name`. Raises ConfigurationError for an unknown one."""
    if name not in SCHEDULERS:
        raise ConfigurationError(f"There is no policy {name!r}{nearest(name, SCHEDULERS)}; there are {', '.join(SCHEDULERS)}.")
    return SCHEDULERS[name](board, services, rng)
