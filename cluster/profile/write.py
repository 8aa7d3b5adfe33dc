"""Writing a profile."""

from __future__ import annotations

import csv
import os
from pathlib import Path as FilePath

import numpy as np

from cluster.profile.parquet import write_parquet
from cluster.profile.signals import write_signals
from cluster.profile.table import MEASURES, OUTCOMES, PATHS, QUERIES, Table


def write_table(table: Table, folder: FilePath) -> None:
    """Write the three files, and that of the signals if there are any; each appears whole or not at all. Cells without any
    measurement get no row."""
    import pyarrow as pa

    folder.mkdir(parents=True, exist_ok=True)
    profile = table.profile
    measured = np.stack([getattr(profile, measure) for measure in MEASURES])
    rows, columns = np.nonzero(~np.isnan(measured).all(axis=0))
    outcomes = {"query_id": [profile.query_ids[row] for row in rows], "path": [profile.paths[column] for column in columns]}
    values = {
        measure: pa.array(cells[rows, columns], pa.float64(), from_pandas=True)  # NaN becomes null
        for measure, cells in zip(MEASURES, measured, strict=True)
    }
    queries = {"query_id": profile.query_ids, "query": profile.queries, "domain": table.domains, "reference": table.references}
    write_parquet(pa.table({name: pa.array(column, pa.string()) for name, column in queries.items()}), folder / QUERIES)
    write_parquet(
        pa.table({**{name: pa.array(column, pa.string()) for name, column in outcomes.items()}, **values}), folder / OUTCOMES
    )
    if table.signals is not None:
        write_signals(table.signals, profile.query_ids, profile.paths, folder)
    _paths(table, folder / PATHS)


def _paths(table: Table, file: FilePath) -> None:
    partial = file.with_name(f".{file.name}.partial")
    with partial.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("path", "tier", "preprocess", "retrieve", "refine", "generate"))
        writer.writerows((row.name, row.tier, *row.options) for row in table.paths)
    os.replace(partial, file)
