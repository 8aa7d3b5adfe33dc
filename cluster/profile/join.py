"""Two profiles as one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cluster.profile.table import MEASURES, Table
from policies.signals import SIGNALS
from policies.types import Profile

FloatArray = npt.NDArray[np.float64]


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
    return Table(profile, paths, domains, references, _signals(kept, newer, place))


def _signals(kept: Table, newer: Table, place: dict[str, int]) -> FloatArray | None:
    if kept.signals is None and newer.signals is None:
        return None
    none = (np.full((*table.profile.accuracy.shape, len(SIGNALS)), np.nan) for table in (kept, newer))
    shown = (blank if table.signals is None else table.signals for table, blank in zip((kept, newer), none, strict=True))
    return np.vstack([_spread(each, table, place) for each, table in zip(shown, (kept, newer), strict=True)])


def _spread(values: FloatArray, table: Table, place: dict[str, int]) -> FloatArray:
    wide = np.full((len(values), len(place), *values.shape[2:]), np.nan)
    wide[:, [place[name] for name in table.profile.paths]] = values
    return wide
