"""What was reported is on disk, whatever happens afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.emulator import Journal, Record
from policies.errors import ConfigurationError

ABOUT = {"queries": "abc", "paths": ["p"], "metric": "f1"}
FIRST, SECOND = Record("q1", "p", "yes, é\n", 1.0, 0.5), Record("q2", "p", error="gone")


def test_a_journal_is_found_again(tmp_path: Path) -> None:
    with Journal(tmp_path / "new", ABOUT, resume=False) as journal:
        journal.append([FIRST])
        journal.append([SECOND])
    with Journal(tmp_path / "new", ABOUT, resume=True) as journal:
        assert journal.records == [FIRST, SECOND]


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(1, 10_000))
def test_cut_off_anywhere_it_keeps_every_whole_line(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("cut")
    with Journal(folder, ABOUT, resume=False) as journal:
        journal.append([FIRST, SECOND, FIRST])
    file = folder / "journal.jsonl"
    data = file.read_bytes()[:cut]
    file.write_bytes(data)
    whole = max(0, data.count(b"\n") - 1)
    with Journal(folder, ABOUT, resume=True) as journal:
        assert journal.records == [FIRST, SECOND, FIRST][:whole]
        journal.append([SECOND])
    with Journal(folder, ABOUT, resume=True) as journal:
        assert journal.records == [*[FIRST, SECOND, FIRST][:whole], SECOND]


def test_measurements_are_not_overwritten_by_mistake(tmp_path: Path) -> None:
    with Journal(tmp_path, ABOUT, resume=False) as journal:
        with pytest.raises(ConfigurationError, match="Another process writes"):
            Journal(tmp_path, ABOUT, resume=True)
        journal.append([FIRST])
    with pytest.raises(ConfigurationError, match="go on with --resume"):
        Journal(tmp_path, ABOUT, resume=False)
    with pytest.raises(ConfigurationError, match="begun with other metric"):
        Journal(tmp_path, {**ABOUT, "metric": "exact"}, resume=True)
