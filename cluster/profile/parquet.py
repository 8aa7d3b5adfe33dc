"""Columns in Parquet files, with one sentence for each thing that can be wrong with them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from policies.errors import ConfigurationError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "1"
"""Version of the format, kept in the metadata of every Parquet file; a file without it counts as this one."""
SCHEMA_KEY = b"isthmus_schema"
AGAIN = "write the profile again with 'isthmus profile'"


def write_parquet(table: pa.Table, file: FilePath) -> None:
    """The file appears whole or not at all."""
    import pyarrow.parquet as pq

    partial = file.with_name(f".{file.name}.partial")
    pq.write_table(table.replace_schema_metadata({SCHEMA_KEY: SCHEMA.encode()}), partial)
    os.replace(partial, file)


def columns(file: FilePath, needed: Sequence[str], optional: Sequence[str]) -> dict[str, list[Any]]:
    """All of `needed`, and those of `optional` that are there. Raises ConfigurationError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no {file}; a profile is a folder with queries.parquet, outcomes.parquet and paths.csv."
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise ConfigurationError(f"{file} cannot be read as Parquet ({str(error).splitlines()[0]}); {AGAIN}.") from None
    version = (table.schema.metadata or {}).get(SCHEMA_KEY, SCHEMA.encode()).decode(errors="replace")
    if version != SCHEMA:
        raise ConfigurationError(f"{file} has schema version {version}, this Isthmus reads {SCHEMA}; {AGAIN}.")
    if missing := [name for name in needed if name not in table.column_names]:
        raise ConfigurationError(f"{file} lacks the column {missing[0]!r}{nearest(missing[0], table.column_names)}; {AGAIN}.")
    if table.num_rows == 0:
        raise ConfigurationError(f"{file} has no rows; {AGAIN}.")
    return {name: table.column(name).to_pylist() for name in (*needed, *optional) if name in table.column_names}


def numbers(values: list[Any], column: str, file: FilePath) -> npt.NDArray[np.float64]:
    """Finite numbers; NaN for null. Raises ConfigurationError."""
    try:
        found = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{file} holds something other than numbers in the column {column!r}; {AGAIN}.") from None
    if np.isinf(found).any():
        row = int(np.isinf(found).argmax())
        raise ConfigurationError(f"{file} has {column} {found[row]:g} in row {row + 1}, which must be finite; {AGAIN}.")
    return found
