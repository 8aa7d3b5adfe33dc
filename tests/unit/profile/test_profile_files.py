"""What a profile on disk must hold, and the sentence for each way in which it may not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.profile import Table, read_table, write_table
from policies.errors import ConfigurationError

Make = Callable[..., Table]


def outcomes(folder: Path, **columns: list[Any]) -> None:
    pq.write_table(pa.table(columns), folder / "outcomes.parquet")


def test_what_was_written_is_read_and_a_missing_cell_stays_missing(folder: Path) -> None:
    table = read_table(folder)
    assert table.profile.queries == ("question 0", "question 1")
    assert [row.tier for row in table.paths] == ["edge", "cloud"]
    assert table.paths[1].path.name == "none/none/none/m1"
    np.testing.assert_array_equal(table.profile.accuracy, [[1.0, 0.5], [0.0, np.nan]])
    np.testing.assert_array_equal(table.profile.latency_s, [[0.1, 2.0], [0.2, np.nan]])
    assert np.isnan(table.profile.cost_usd).all()
    assert len(pq.read_table(folder / "outcomes.parquet")) == 3


def test_nan_counts_as_not_measured(folder: Path) -> None:
    outcomes(folder, query_id=["q0", "q1"], path=["none/none/none/m0"] * 2, accuracy=[1.0, float("nan")])
    assert np.isnan(read_table(folder).profile.accuracy[1, 0])


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"accuracy": [1.5]}, r"accuracy 1.5 in row 1, which must be between 0 and 1"),
        ({"accuracy": [0.5], "latency_s": [-0.1]}, r"latency_s -0.1 in row 1, which must be 0 or more"),
        ({"accuracy": [0.5], "cost_usd": [float("inf")]}, r"cost_usd inf in row 1"),
        ({"accuracy": ["good"]}, r"something other than numbers in the column 'accuracy'"),
        ({"accuracy": [float("nan")]}, r"has no accuracy at all"),
        ({"acuracy": [0.5]}, r"lacks the column 'accuracy' \(did you mean 'acuracy'\?\)"),
    ],
)
def test_numbers_that_cannot_have_been_measured(folder: Path, columns: dict[str, list[Any]], sentence: str) -> None:
    outcomes(folder, query_id=["q0"], path=["none/none/none/m0"], **columns)
    with pytest.raises(ConfigurationError, match=sentence):
        read_table(folder)


def test_a_cell_with_two_rows(folder: Path) -> None:
    outcomes(folder, query_id=["q0", "q0"], path=["none/none/none/m0"] * 2, accuracy=[1.0, 0.0])
    with pytest.raises(ConfigurationError, match="2 rows for query 'q0' and path 'none/none/none/m0'"):
        read_table(folder)


@pytest.mark.parametrize(("query", "path"), [("q9", "none/none/none/m0"), ("q0", "none/none/none/m7")])
def test_names_that_the_other_files_do_not_have(folder: Path, query: str, path: str) -> None:
    outcomes(folder, query_id=[query], path=[path], accuracy=[1.0])
    with pytest.raises(ConfigurationError, match=r"which .* does not have"):
        read_table(folder)


def test_another_schema_version(folder: Path) -> None:
    file = folder / "queries.parquet"
    pq.write_table(pq.read_table(file).replace_schema_metadata({b"isthmus_schema": b"7"}), file)
    with pytest.raises(ConfigurationError, match="schema version 7, this Isthmus reads 1"):
        read_table(folder)


@pytest.mark.parametrize("name", ["queries.parquet", "outcomes.parquet", "paths.csv"])
def test_a_file_that_is_missing_or_damaged(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\xff\xfe not what it should be")
    with pytest.raises(ConfigurationError, match=name):
        read_table(folder)
    (folder / name).unlink()
    with pytest.raises(ConfigurationError, match=name):
        read_table(folder)


def test_a_tier_that_does_not_exist(folder: Path) -> None:
    (folder / "paths.csv").write_text("path,tier\nnone/none/none/m0,fog\n")
    with pytest.raises(ConfigurationError, match="tier 'fog'"):
        read_table(folder)


def test_paths_that_the_configuration_no_longer_has_are_left_out(make: Make, tmp_path: Path) -> None:
    table = make([[1.0, 0.5, 0.2]], [[1.0, 2.0, 3.0]]).only({"none/none/none/m2", "none/none/none/m0"})
    assert table.profile.paths == ("none/none/none/m0", "none/none/none/m2")
    np.testing.assert_array_equal(table.profile.latency_s, [[1.0, 3.0]])
    write_table(table, tmp_path)
    assert read_table(tmp_path).profile.paths == table.profile.paths
    with pytest.raises(ConfigurationError, match="None of the profile's paths"):
        table.only({"other"})
