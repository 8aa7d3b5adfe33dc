"""Two profiles as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cluster.profile.table import MEASURES, Table
from policies.types import Profile


def join(older: Table, newer: Table) -> Table:
    """The queries and paths of both. A query that both have, by its id, is `newer`'s: measurements of two times are not mixed."""
    fresh = set(newer.profile.query_ids)
    kept = older.rows([row for row, name in enumerate(older.profile.query_ids) if name not in fresh])
    paths = tuple({row.name: row for row in (*kept.paths, *newer.paths)}.values())
    place = {row.name: column for column, row in enumerate(paths)}
    cells = {
        measure: np.vstack([_spread(getattr(table.profile, measure), table, place) for table in (kept, newer)])
        for measure in MEASURES
    }
    ids, queries = ((*getattr(kept.profile, name), *getattr(newer.profile, name)) for name in ("query_ids", "queries"))
    profile = Profile(ids, queries, tuple(place), **cells)
    domains, references = (*kept.domains, *newer.domains), (*kept.references, *newer.references)
    return replace(newer, profile=profile, paths=paths, domains=domains, references=references)


def _spread(values: npt.NDArray[np.float64], table: Table, place: dict[str, int]) -> npt.NDArray[np.float64]:
    wide = np.full((len(values), len(place)), np.nan)
    wide[:, [place[name] for name in table.profile.paths]] = values
    return wide
