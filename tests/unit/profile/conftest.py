from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cluster.profile import PathRow, Table, write_table
from policies.types import Profile

Make = Callable[..., Table]


@pytest.fixture
def make() -> Make:
    """A table from arrays of shape (queries, paths)."""

    def build(accuracy: list[list[float]], latency: list[list[float]] | None = None, texts: list[str] | None = None) -> Table:
        cells = np.array(accuracy)
        queries, paths = cells.shape
        none = np.full(cells.shape, np.nan)
        names = tuple(f"none/none/none/m{path}" for path in range(paths))
        ids = tuple(f"q{query}" for query in range(queries))
        asked = tuple(texts or [f"question {query}" for query in range(queries)])
        seconds = none if latency is None else np.array(latency)
        profile = Profile(ids, asked, names, cells, seconds, none, none)
        rows = tuple(PathRow(name, "edge" if path == 0 else "cloud", generate=f"m{path}") for path, name in enumerate(names))
        return Table(profile, rows, ("d",) * queries, ("",) * queries)

    return build


@pytest.fixture
def folder(tmp_path: Path, make: Make) -> Path:
    """A sound profile on disk: two queries, two paths, one cell missing."""
    write_table(make([[1.0, 0.5], [0.0, float("nan")]], [[0.1, 2.0], [0.2, float("nan")]]), tmp_path)
    return tmp_path
