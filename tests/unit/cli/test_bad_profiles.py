"""Every command that reads a profile says in one sentence what is wrong with it, and takes what is merely incomplete."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cluster.encoder
from tests.unit.cli.profiles import Letters, profile

Isthmus = Callable[..., Any]
Damage = Callable[[Path], None]


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.encoder, "open_encoder", Letters)


def column(name: str, values: list[Any]) -> Damage:
    """Damage that puts `values` into a column of outcomes.parquet."""

    def apply(folder: Path) -> None:
        table = pq.read_table(folder / "outcomes.parquet")
        pq.write_table(table.set_column(table.column_names.index(name), name, pa.array(values)), folder / "outcomes.parquet")

    return apply


def version(folder: Path) -> None:
    file = folder / "outcomes.parquet"
    pq.write_table(pq.read_table(file).replace_schema_metadata({b"isthmus_schema": b"2"}), file)


def twice(folder: Path) -> None:
    file = folder / "outcomes.parquet"
    table = pq.read_table(file)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), file)


@pytest.mark.parametrize("command", ["evaluate", "report"])
@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (column("latency_s", [-0.5, *[1.0] * 17]), "latency_s -0.5 in row 1, which must be 0 or more"),
        (column("latency_s", [float("inf"), *[1.0] * 17]), "latency_s inf in row 1"),
        (column("accuracy", [1.5, *[1.0] * 17]), "accuracy 1.5 in row 1, which must be between 0 and 1"),
        (column("accuracy", [float("nan")] * 18), "has no accuracy at all"),
        (column("path", ["elsewhere"] * 18), "names 'elsewhere', which paths.csv does not have"),
        (twice, "has 2 rows for query 'q0' and path 'generate=m0'"),
        (version, "has schema version 2, this Isthmus reads 1"),
    ],
)
def test_what_cannot_have_been_measured(isthmus: Isthmus, tmp_path: Path, command: str, damage: Damage, sentence: str) -> None:
    folder = profile(tmp_path / "table")
    damage(folder)
    given = ["--train", folder, "--test", folder] if command == "evaluate" else [folder]
    answer = isthmus(command, *given)
    assert answer.exit_code == 2
    assert sentence in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("queries", "paths", "columns"),
    [
        (1, 1, {}),
        (1, 3, {}),
        (5, 1, {}),
        (6, 3, {"accuracy": [None if cell % 3 == 1 else 1.0 for cell in range(18)]}),
        (6, 3, {"accuracy": [1.0] * 18, "latency_s": [float("nan") if cell % 2 else 2.0 for cell in range(18)]}),
        (6, 3, {"latency_s": [0.0] * 18}),
        (6, 3, {"latency_s": [None] * 18}),
    ],
)
def test_what_is_merely_incomplete_is_reported(
    isthmus: Isthmus, tmp_path: Path, queries: int, paths: int, columns: dict[str, list[Any]]
) -> None:
    folder = profile(tmp_path / "table", queries, paths, **columns)
    answer = isthmus("report", folder, "--json")
    assert answer.exit_code == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert (found["queries"], len(found["paths"])) == (queries, paths)
    assert "<h2>Every path</h2>" in (folder / "report.html").read_text(encoding="utf-8")
