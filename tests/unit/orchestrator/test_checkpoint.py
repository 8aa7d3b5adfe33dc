"""The state on disk is whole, and what cannot be used is kept and named."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update

from cluster.database import open_engine
from cluster.orchestrator.checkpoint import CHECKPOINTS, FORMAT, NAME, Checkpoint, DatabaseAway
from policies.errors import ConfigurationError

STATE = {"version": 3, "text": "ä" * 10_000}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "learned.db"


def open_(file: Path, now: float = 1000.0) -> Checkpoint:
    return Checkpoint(f"sqlite:///{file}", clock=lambda: now)


def saved(file: Path) -> Checkpoint:
    checkpoint = open_(file)
    checkpoint.load()
    checkpoint.save(STATE)
    return checkpoint


def spoil(file: Path, **values: object) -> None:
    with open_engine(f"sqlite:///{file}", "test").begin() as connection:
        connection.execute(update(CHECKPOINTS).values(**values))


def rows(file: Path) -> dict[str, str]:
    with open_engine(f"sqlite:///{file}", "test").connect() as connection:
        return {row.name: row.state for row in connection.execute(select(CHECKPOINTS))}


def test_without_a_file_there_is_nothing_to_go_on_from(file: Path) -> None:
    kept = open_(file).load()
    assert (kept.state, kept.aside) == (None, None)


def test_the_last_state_comes_back_with_its_age(file: Path) -> None:
    saved(file).save({**STATE, "version": 4})
    kept = open_(file, now=1007.5).load()
    assert kept.state is not None
    assert kept.state["version"] == 4
    assert (kept.age_s, kept.aside) == (7.5, None)


def test_a_clock_that_went_back_makes_no_age(file: Path) -> None:
    saved(file)
    assert open_(file, now=10.0).load().age_s == 0.0


def test_a_state_that_was_cut_is_kept_aside_and_named(file: Path) -> None:
    saved(file)
    text = rows(file)[NAME]
    spoil(file, state=text[: len(text) // 2])
    kept = open_(file).load()
    assert kept.state is None
    assert kept.aside is not None
    assert "is damaged" in kept.aside
    (name,) = rows(file)
    assert name in kept.aside
    saved(file)
    assert len(rows(file)) == 2


def test_a_state_of_another_format_is_kept_aside_and_named(file: Path) -> None:
    saved(file)
    spoil(file, format=FORMAT + 1)
    kept = open_(file).load()
    assert kept.aside is not None
    assert f"is of format {FORMAT + 1}, not {FORMAT}" in kept.aside
    assert rows(file)[next(iter(rows(file)))]


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_that_was_cut_is_moved_and_named(file: Path, share: float) -> None:
    saved(file).close()
    whole = file.read_bytes()
    for part in file.parent.iterdir():
        part.unlink()
    file.write_bytes(whole[: int(share * len(whole))])
    checkpoint = open_(file)
    kept = checkpoint.load()
    assert kept.state is None
    assert kept.aside is not None
    moved = [part for part in file.parent.iterdir() if "aside" in part.name]
    assert str(moved[0]) in kept.aside
    assert moved[0].read_bytes() == whole[: int(share * len(whole))]
    checkpoint.save(STATE)
    assert open_(file).load().state == STATE


def test_a_file_that_is_no_database_is_moved(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("not a database, but long enough to be read as the head of one " * 20)
    kept = open_(file).load()
    assert kept.aside is not None
    assert "is damaged" in kept.aside


def test_a_database_that_is_away_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    with pytest.raises(DatabaseAway):
        open_(blocked / "learned.db").load()


@pytest.mark.parametrize("url", ["no url", "mysql://here/there"])
def test_a_wrong_url_is_a_sentence(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"learning\.url"):
        Checkpoint(url)
