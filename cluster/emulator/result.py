"""What an exploration leaves behind: the profile's files, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cluster.config import Config
from cluster.emulator.journal import Record
from cluster.emulator.questions import Question
from cluster.profile import PathRow, Table
from policies.types import Path, Profile

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cost:
    """What was spent on the measurements, and what they would have cost if each path had been run by itself."""

    cells: int
    of_cells: int
    failed: int
    elapsed_s: float
    spent_s: float
    spent_usd: float
    spent_j: float
    unshared_s: float
    unshared_usd: float
    unshared_j: float


def table(
    config: Config, questions: Sequence[Question], paths: Sequence[Path], cells: Mapping[str, FloatArray], signals: FloatArray
) -> Table:
    """The profile, from `cells` and `signals` as the Emulator has them. A path is on the edge if neither its model nor the one
    that preprocesses for it is in the cloud."""
    ids, texts = tuple(question.query_id for question in questions), tuple(question.query for question in questions)
    profile = Profile(ids, texts, tuple(path.name for path in paths), **cells)
    domains = tuple(question.domain or config.domain for question in questions)
    rows, references = tuple(_row(config, path) for path in paths), tuple(question.reference for question in questions)
    return Table(profile, rows, domains, references, None if np.isnan(signals).all() else signals)


def cost(records: Sequence[Record], of_cells: int) -> Cost:
    """Sums over the journal. A cell that failed at first and was measured later is not a failure."""
    measured = [record for record in records if record.measured]
    done = {(record.query_id, record.path) for record in measured}
    failed = {(record.query_id, record.path) for record in records} - done
    return Cost(
        len(done),
        of_cells,
        len(failed),
        max((record.elapsed_s for record in records), default=0.0),
        sum(record.spent_s for record in records),
        sum(record.spent_usd for record in records),
        sum(record.spent_j for record in records),
        sum(record.latency_s or 0.0 for record in measured),
        sum(record.cost_usd or 0.0 for record in measured),
        sum(record.energy_j or 0.0 for record in measured),
    )


def _row(config: Config, path: Path) -> PathRow:
    return PathRow(
        path.name, "edge" if config.stays_on_edge(path) else "cloud", path.preprocess, path.retrieve, path.refine, path.generate
    )
