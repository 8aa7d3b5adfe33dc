"""What paths showed, beside the profile that it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.profile import Table, join, read_table, write_table
from policies.errors import ConfigurationError
from policies.signals import SIGNALS, Signals

Make = Callable[..., Table]
NAN = float("nan")


@pytest.fixture
def shown(make: Make) -> Table:
    """Two queries, two paths; one cell showed nothing, the others a number of their own."""
    signals = np.arange(4.0 * len(SIGNALS)).reshape(2, 2, -1) - 7
    signals[1, 1] = NAN
    signals[0, 0, 1] = NAN
    return replace(make([[1.0, 0.5], [0.0, 1.0]]), signals=signals)


def test_what_was_written_is_read(shown: Table, tmp_path: Path) -> None:
    write_table(shown, tmp_path)
    np.testing.assert_array_equal(read_table(tmp_path).signals, shown.signals)
    assert len(pq.read_table(tmp_path / "signals.parquet")) == 3


def test_a_profile_without_signals_has_none(make: Make, tmp_path: Path) -> None:
    write_table(make([[1.0]]), tmp_path)
    assert not (tmp_path / "signals.parquet").exists()
    assert read_table(tmp_path).signals is None


def test_they_stay_with_their_paths_and_queries(shown: Table) -> None:
    turned = shown.select([shown.paths[1].name, shown.paths[0].name]).rows([1])
    assert turned.signals is not None
    assert shown.signals is not None
    np.testing.assert_array_equal(turned.signals, shown.signals[1:, ::-1])


def test_rows_of_what_the_profile_does_not_have_are_left_alone(shown: Table, tmp_path: Path) -> None:
    write_table(shown, tmp_path)
    table = pa.table({"query_id": ["q0", "gone"], "path": ["none/none/none/m0"] * 2, "tokens": [3.0, 9.0]})
    pq.write_table(table, tmp_path / "signals.parquet")
    signals = read_table(tmp_path).signals
    assert signals is not None
    assert signals[0, 0, SIGNALS.index("tokens")] == 3.0
    assert np.isfinite(signals).sum() == 1


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"tokens": ["many"]}, "something other than numbers in the column 'tokens'"),
        ({"tokens": [float("inf")]}, "tokens inf in row 1, which must be finite"),
    ],
)
def test_signals_that_are_no_numbers(shown: Table, tmp_path: Path, columns: dict[str, list[object]], sentence: str) -> None:
    write_table(shown, tmp_path)
    pq.write_table(pa.table({"query_id": ["q0"], "path": ["none/none/none/m0"], **columns}), tmp_path / "signals.parquet")
    with pytest.raises(ConfigurationError, match=sentence):
        read_table(tmp_path)


def test_a_profile_of_the_log_joins_one_with_signals(shown: Table, make: Make) -> None:
    logged = make([[NAN, 0.25]], texts=["asked by people"])
    logged = replace(logged, profile=replace(logged.profile, query_ids=("log-1",)))
    both = join(shown, logged)
    assert both.signals is not None
    np.testing.assert_array_equal(both.signals[:2], shown.signals)
    assert np.isnan(both.signals[2]).all()
    assert join(make([[1.0]]), logged).signals is None


def test_of_two_stages_that_show_the_same_the_later_one_counts() -> None:
    parts = [Signals(top_score=2.0), Signals(tokens=9), Signals(mean_logprob=-0.5, tokens=3)]
    assert Signals.joined(parts) == Signals(top_score=2.0, mean_logprob=-0.5, tokens=3)
