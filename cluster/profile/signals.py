"""What paths showed while they were measured: one more file of a profile's folder, which profiles of others lack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath

import numpy as np
import numpy.typing as npt

from cluster.profile.parquet import columns, numbers, write_parquet
from policies.signals import SIGNALS

FILE = "signals.parquet"
FloatArray = npt.NDArray[np.float64]


def write_signals(signals: FloatArray, ids: Sequence[str], paths: Sequence[str], folder: FilePath) -> None:
    """`signals` of shape (queries, paths, signals); a cell that showed nothing gets no row."""
    import pyarrow as pa

    rows, places = np.nonzero(~np.isnan(signals).all(axis=2))
    texts = {"query_id": [ids[row] for row in rows], "path": [paths[place] for place in places]}
    shown = {name: pa.array(signals[rows, places, column], pa.float64(), from_pandas=True) for column, name in enumerate(SIGNALS)}
    names = {name: pa.array(values, pa.string()) for name, values in texts.items()}
    write_parquet(pa.table({**names, **shown}), folder / FILE)


def read_signals(ids: Sequence[str], paths: Sequence[str], folder: FilePath) -> FloatArray | None:
    """Shape (queries, paths, signals), NaN where nothing was shown; None without the file.

    Raises ConfigurationError for a file that cannot be read. Rows of other queries and paths are left alone.
    """
    if not (folder / FILE).exists():
        return None
    found = columns(folder / FILE, ("query_id", "path"), SIGNALS)
    row_of, place_of = ({name: number for number, name in enumerate(names)} for names in (ids, paths))
    at = [(row_of.get(query, -1), place_of.get(path, -1)) for query, path in zip(found["query_id"], found["path"], strict=True)]
    known = np.array([row >= 0 and place >= 0 for row, place in at], dtype=np.bool_)
    rows, places = np.array(at, dtype=np.intp)[known].T
    signals = np.full((len(ids), len(paths), len(SIGNALS)), np.nan)
    for column, name in enumerate(SIGNALS):
        if name in found:
            signals[rows, places, column] = numbers(found[name], name, folder / FILE)[known]
    return signals
