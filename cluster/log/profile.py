"""A profile of live traffic: what people asked, what each path took for it, and their feedback as accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from cluster.config import Config
from cluster.log.answers import read_log
from cluster.profile import PathRow, Table
from policies.errors import IsthmusError
from policies.types import Path, Profile, Tier

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


def profile_from_log(url: str, config: Config, since: float = 0.0) -> Table:
    """The log at `url` from `since` (seconds since 1970) as a table of the configuration's paths that were taken.

    A question that was asked several times is one query; each cell is the mean of its answers, and one without feedback has
    no accuracy. Raises IsthmusError when there is no log, or no feedback in it.
    """
    known = {path.name: path for path in config.paths}
    answers = [answer for answer in read_log(url, since) if answer.path in known]
    if not any(answer.score is not None for answer in answers):
        raise IsthmusError(
            f"The log has {len(answers)} answers by paths of the configuration, but no feedback on them; "
            "POST /v1/feedback tells how good an answer was."
        )
    row_of = {query: row for row, query in enumerate(dict.fromkeys(answer.query for answer in answers))}
    asked = {answer.path for answer in answers}
    taken = [name for name in known if name in asked]
    column_of = {name: column for column, name in enumerate(taken)}
    rows = np.array([row_of[answer.query] for answer in answers])
    columns = np.array([column_of[answer.path] for answer in answers])
    accuracy, latency_s, cost_usd, energy_j = (
        _means(rows, columns, values, (len(row_of), len(taken)))
        for values in (
            [answer.score for answer in answers],
            [answer.latency_s for answer in answers],
            [answer.cost_usd for answer in answers],
            [answer.energy_j for answer in answers],
        )
    )
    ids = tuple(f"log-{sha256(query.encode()).hexdigest()[:16]}" for query in row_of)
    profile = Profile(ids, tuple(row_of), tuple(taken), accuracy, latency_s, cost_usd, energy_j)
    listed = tuple(_listed(config, known[name]) for name in taken)
    return Table(profile, listed, (config.domain,) * len(ids), ("",) * len(ids))


def _means(rows: IntArray, columns: IntArray, values: Sequence[float | None], shape: tuple[int, int]) -> FloatArray:
    """The mean of each cell; NaN where nothing is known."""
    numbers = np.array([np.nan if value is None else value for value in values])
    known = ~np.isnan(numbers)
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (rows[known], columns[known]), numbers[known])
    np.add.at(counts, (rows[known], columns[known]), 1.0)
    means: FloatArray = np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)
    return means


def _listed(config: Config, path: Path) -> PathRow:
    tier: Tier = "edge" if config.stays_on_edge(path) else "cloud"
    return PathRow(path.name, tier, path.preprocess, path.retrieve, path.refine, path.generate)
