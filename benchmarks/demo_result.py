"""What the answers of each policy come to: rows, targets, a section of a page and a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.demo_asking import Answered
from benchmarks.demo_policies import LIMITED
from cluster.config import Config
from cluster.emulator.result import Cost
from cluster.profile import Table
from policies.types import GOES_ON

ORACLE = "oracle"


@dataclass(frozen=True, slots=True)
class Row:
    """Means over the held-out questions; `error` is the standard error of the accuracy, `cloud` the share answered there."""

    policy: str
    accuracy: float
    error: float
    seconds: float
    p95_s: float
    cost_usd: float
    energy_j: float
    cloud: float
    path: str
    """The path taken most, and `of_all` is how often."""
    of_all: float


@dataclass(frozen=True, slots=True)
class Kept:
    """Limits on latency: those that some measured path kept, and those that the gateway said it would keep."""

    requests: int
    possible: int
    possible_kept: int
    promised: int
    promised_kept: int


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that was measured. `shortlist` is the number of paths that the oracle chooses among."""

    questions: int
    learnt: int
    paths: int
    shortlist: int
    explored: Cost
    rows: tuple[Row, ...]
    kept: Kept

    def row(self, policy: str) -> Row:
        """The row of one policy."""
        return next(row for row in self.rows if row.policy == policy)


def compare(config: Config, measured: Table, answers: Sequence[Answered], explored: Cost, learnt: int) -> Result:
    """`measured` are the held-out questions on the shortlist."""
    tiers = {path.name: "edge" if config.stays_on_edge(path) else "cloud" for path in config.paths}
    names = [name for name in dict.fromkeys(answer.policy for answer in answers) if name != LIMITED]
    rows = [_row([answer for answer in answers if answer.policy == name], tiers) for name in names]
    kept = limits_kept([answer for answer in answers if answer.policy == LIMITED], measured)
    questions, shortlist = measured.profile.accuracy.shape
    return Result(questions, learnt, len(config.paths), shortlist, explored, (*rows, _row(oracle(measured), tiers)), kept)


def oracle(table: Table) -> list[Answered]:
    """To each question the quickest of the right answers, or of all if none is right."""
    profile = table.profile
    seconds, right = np.nan_to_num(profile.latency_s, nan=np.inf), np.nan_to_num(profile.accuracy, nan=-1.0)
    best = np.lexsort((seconds, -right))[:, 0]
    cells = (profile.accuracy, profile.latency_s, profile.cost_usd, profile.energy_j)
    return [
        Answered(ORACLE, name, profile.paths[place], "", "", *(float(each[row, place]) for each in cells), True, None, True)
        for row, (name, place) in enumerate(zip(profile.query_ids, best, strict=True))
    ]


def _row(answers: Sequence[Answered], tiers: dict[str, str]) -> Row:
    right, seconds = np.array([answer.right for answer in answers]), [answer.seconds for answer in answers]
    ((path, times),) = Counter(answer.path for answer in answers).most_common(1)
    return Row(
        policy=answers[0].policy,
        accuracy=float(right.mean()),
        error=float(right.std() / np.sqrt(len(right))),
        seconds=float(np.mean(seconds)),
        p95_s=float(np.quantile(seconds, 0.95)),
        cost_usd=float(np.mean([answer.cost_usd for answer in answers])),
        energy_j=float(np.mean([answer.energy_j for answer in answers])),
        cloud=float(np.mean([tiers[answer.path.rpartition(GOES_ON)[2]] == "cloud" for answer in answers])),
        path=path,
        of_all=times / len(answers),
    )


def limits_kept(answers: Sequence[Answered], table: Table) -> Kept:
    """A limit is possible if some path of `table` answered that question within it."""
    fastest = dict(zip(table.profile.query_ids, np.nanmin(table.profile.latency_s, axis=1), strict=True))
    possible = [a for a in answers if a.limit_s is not None and fastest[a.query_id] <= a.limit_s]
    promised = [a for a in answers if a.feasible]
    return Kept(len(answers), len(possible), sum(a.kept for a in possible), len(promised), sum(a.kept for a in promised))
