"""Reading a profile, with one sentence for each thing that can be wrong with it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import numpy.typing as npt

from cluster.profile.parquet import AGAIN, columns, numbers
from cluster.profile.signals import read_signals
from cluster.profile.table import MEASURES, OUTCOMES, PATHS, QUERIES, PathRow, Table
from policies.errors import ConfigurationError, nearest
from policies.types import NONE, Profile

FloatArray = npt.NDArray[np.float64]


def read_table(folder: FilePath) -> Table:
    """The profile in `folder`. A cell without a row, null or NaN was not measured and is NaN in the arrays, never zero.

    Raises ConfigurationError for a file that is missing or of another version, for rows that contradict each other, and
    for numbers that cannot have been measured.
    """
    queries = columns(folder / QUERIES, ("query_id", "query"), ("domain", "reference"))
    ids = _distinct(_texts(queries["query_id"]), folder / QUERIES, "query_id")
    paths = _paths(folder / PATHS)
    names = tuple(row.name for row in paths)
    measured = _outcomes(folder / OUTCOMES, ids, names)
    profile = Profile(query_ids=ids, queries=tuple(_texts(queries["query"])), paths=names, **measured)
    domains, references = (tuple(_texts(queries.get(name, [""] * len(ids)))) for name in ("domain", "reference"))
    return Table(profile, paths, domains, references, read_signals(ids, names, folder))


def _outcomes(file: FilePath, ids: Sequence[str], names: Sequence[str]) -> dict[str, FloatArray]:
    rows = columns(file, ("query_id", "path", "accuracy"), MEASURES[1:])
    at_query = _places(_texts(rows["query_id"]), ids, file, QUERIES)
    at_path = _places(_texts(rows["path"]), names, file, PATHS)
    cells = at_query * len(names) + at_path
    _refuse_twice(cells, ids, names, file)
    measured: dict[str, FloatArray] = {}
    for measure in MEASURES:
        values = np.full(len(ids) * len(names), np.nan)
        if measure in rows:
            values[cells] = _measured(rows[measure], measure, file)
        measured[measure] = values.reshape(len(ids), len(names))
    if np.isnan(measured["accuracy"]).all():
        raise ConfigurationError(f"{file} has no accuracy at all; {AGAIN}.")
    return measured


def _paths(file: FilePath) -> tuple[PathRow, ...]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            header, rows = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{file} cannot be read as CSV ({error}); a profile has its paths there.") from None
    if missing := [name for name in ("path", "tier") if name not in header]:
        raise ConfigurationError(f"{file} lacks the column {missing[0]!r}{nearest(missing[0], header)}; {AGAIN}.")
    if not rows:
        raise ConfigurationError(f"{file} has no rows; {AGAIN}.")
    _distinct([row["path"] for row in rows], file, "path")
    return tuple(_path(row, file) for row in rows)


def _path(row: dict[str, str], file: FilePath) -> PathRow:
    tier = row["tier"]
    if tier not in ("edge", "cloud"):
        raise ConfigurationError(f"{file} puts the path {row['path']!r} on the tier {tier!r}; it must be 'edge' or 'cloud'.")
    stages = {stage: row.get(stage) or NONE for stage in ("preprocess", "retrieve", "refine", "generate")}
    return PathRow(row["path"], "edge" if tier == "edge" else "cloud", **stages)


def _measured(values: list[Any], measure: str, file: FilePath) -> FloatArray:
    found = numbers(values, measure, file)
    wrong = (found < 0) | ((found > 1) if measure == "accuracy" else False)
    if wrong.any():
        row = int(wrong.argmax())
        allowed = "between 0 and 1" if measure == "accuracy" else "0 or more"
        raise ConfigurationError(f"{file} has {measure} {found[row]:g} in row {row + 1}, which must be {allowed}; {AGAIN}.")
    return found


def _places(values: Iterable[str], known: Sequence[str], file: FilePath, other: str) -> npt.NDArray[np.intp]:
    place = {name: index for index, name in enumerate(known)}
    try:
        return np.array([place[value] for value in values], dtype=np.intp)
    except KeyError as error:
        name = str(error.args[0])
        raise ConfigurationError(f"{file} names {name!r}, which {other} does not have{nearest(name, known)}; {AGAIN}.") from None


def _refuse_twice(cells: npt.NDArray[np.intp], ids: Sequence[str], names: Sequence[str], file: FilePath) -> None:
    seen, counts = np.unique(cells, return_counts=True)
    if counts.max() > 1:
        query, path = divmod(int(seen[counts.argmax()]), len(names))
        count = counts.max()
        raise ConfigurationError(f"{file} has {count} rows for query {ids[query]!r} and path {names[path]!r}; keep one of them.")


def _distinct(values: list[str], file: FilePath, column: str) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise ConfigurationError(f"{file} has {column} {twice!r} more than once; keep one of the rows.")
    return tuple(values)


def _texts(values: list[Any]) -> list[str]:
    return ["" if value is None else str(value) for value in values]
