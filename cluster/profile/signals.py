"""What paths showed while they were measured: one more file of a profile's folder, which profiles of others lack."""

from __future__ import annotations

from pathlib import Path as FilePath

import numpy as np
import numpy.typing as npt

from cluster.profile.parquet import columns, numbers, write_parquet
from cluster.profile.table import Table
from policies.signals import SIGNALS

FILE = "signals.parquet"
FloatArray = npt.NDArray[np.float64]


def write_signals(table: Table, signals: FloatArray, folder: FilePath) -> None:
    """`signals` of shape (queries, paths, signals); a cell that showed nothing gets no row, and no file is
    written if none showed anything."""
    import pyarrow as pa

    rows, places = np.nonzero(~np.isnan(signals).all(axis=2))
    if not len(rows):
        return
    profile = table.profile
    names = {"query_id": [profile.query_ids[row] for row in rows], "path": [profile.paths[place] for place in places]}
    shown = {name: pa.array(signals[rows, places, column], pa.float64(), from_pandas=True) for column, name in enumerate(SIGNALS)}
    texts = {name: pa.array(values, pa.string()) for name, values in names.items()}
    write_parquet(pa.table({**texts, **shown}), folder / FILE)


def read_signals(table: Table, folder: FilePath) -> FloatArray | None:
    """The signals of the cells of `table`, shape (queries, paths, signals), NaN where nothing was shown; None without the file.

    Raises ConfigurationError for a file that cannot be read.
    """
    if not (folder / FILE).exists():
        return None
    found = columns(folder / FILE, ("query_id", "path"), SIGNALS)
    row_of = {name: row for row, name in enumerate(table.profile.query_ids)}
    place_of = {name: place for place, name in enumerate(table.profile.paths)}
    signals = np.full((len(row_of), len(place_of), len(SIGNALS)), np.nan)
    at = [(row_of.get(query, -1), place_of.get(path, -1)) for query, path in zip(found["query_id"], found["path"], strict=True)]
    known = np.array([row >= 0 and place >= 0 for row, place in at], dtype=np.bool_)
    rows, places = np.array(at, dtype=np.intp).reshape(-1, 2)[known].T
    for column, name in enumerate(SIGNALS):
        if name in found:
            signals[rows, places, column] = numbers(found[name], name, folder / FILE)[known]
    return signals
