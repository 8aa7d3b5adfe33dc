"""The log keeps what it was given, whatever happens to the database meanwhile, and makes a profile of it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pytest
import yaml
from sqlalchemy import select
from typer.testing import CliRunner

from cluster.cli import app
from cluster.config import Config, EchoModel, load
from cluster.log import Decided, DecisionLog, Feedback, profile_from_log, read_log
from cluster.log.tables import DECISIONS, open_engine
from cluster.profile import read_table, write_table
from policies.errors import ConfigurationError, IsthmusError

SMALL, LARGE = "none/none/none/small", "none/none/none/large"
CONFIG = Config(
    domain="home",
    models={"small": EchoModel(engine="echo"), "large": EchoModel(engine="echo", tier="cloud"), "new": EchoModel(engine="echo")},
)
ONE = Decided(
    "1", 100.0, "home", "Is the lamp on?", False, SMALL, "home", "because", True, None, True, 0.5, 0.2, None, 0.001, 3.0
)


def entry(number: int, **changes: Any) -> Decided:
    return replace(ONE, decision_id=str(number), at=100.0 + number, **changes)


@pytest.fixture
def url(tmp_path: FilePath) -> str:
    return f"sqlite:///{tmp_path}/state/log.db"


@pytest.fixture
def write(url: str) -> Callable[..., None]:
    def into(*entries: Decided | Feedback) -> None:
        log = DecisionLog(url)
        log.start()
        for given in entries:
            log.put(given)
        log.close()

    return into


def test_nothing_is_lost_by_an_orderly_stop(url: str, write: Callable[..., None]) -> None:
    write(*(entry(number) for number in range(5000)))
    assert [row.decision_id for row in read_log(url)] == [str(number) for number in range(5000)]


def test_every_column_is_kept(url: str, write: Callable[..., None]) -> None:
    given = replace(
        ONE, ttft_s=0.1, predicted_accuracy=0.9, predicted_latency_s=0.4, predicted_cost_usd=0.0, predicted_energy_j=1.0
    )
    write(given)
    with open_engine(url).connect() as connection:
        (row,) = connection.execute(select(DECISIONS)).mappings()
    assert Decided(**row) == given


def test_putting_never_waits_for_the_database(url: str, write: Callable[..., None], tmp_path: FilePath) -> None:
    """Another process holds the database while entries come; they are written once it lets go."""
    write(entry(0))
    log = DecisionLog(url)
    log.start()
    with sqlite3.connect(tmp_path / "state/log.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        for number in range(1, 100):
            log.put(entry(number))
        assert len(list(read_log(url))) == 1
        other.execute("COMMIT")
    log.close()
    assert len(list(read_log(url))) == 100


def test_a_folder_that_comes_later_costs_nothing(tmp_path: FilePath, url: str) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    log = DecisionLog(url)
    log.start()
    log.put(ONE)
    while log._well:
        time.sleep(0.01)
    (tmp_path / "state").unlink()
    log.close()
    assert [row.decision_id for row in read_log(url)] == ["1"]


def test_a_full_queue_costs_entries_and_counts_them(url: str) -> None:
    log = DecisionLog(url, capacity=3)
    for number in range(5):
        log.put(entry(number))
    assert log.lost == 2
    log.start()
    log.close()
    assert len(list(read_log(url))) == 3


def test_a_database_that_never_comes_ends_in_time_and_says_what_is_lost(
    tmp_path: FilePath, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    log = DecisionLog(url)
    log.start()
    log.put(ONE)
    with caplog.at_level("WARNING", "ray.serve"):
        log.close()
    assert "1 entries of the decision log are lost" in caplog.text


def test_an_entry_that_is_written_twice_counts_once(url: str, write: Callable[..., None]) -> None:
    write(ONE)
    write(ONE, entry(2))
    assert [row.decision_id for row in read_log(url)] == ["1", "2"]


def test_failures_and_kept_back_questions_are_not_for_learning(url: str, write: Callable[..., None]) -> None:
    write(entry(1, error="EngineUnavailable", latency_s=None), entry(2, query=""), entry(3))
    assert [row.decision_id for row in read_log(url)] == ["3"]
    assert [row.decision_id for row in read_log(url, since=103.5)] == []


def test_a_private_question_stays_at_the_edge() -> None:
    here, there = DecisionLog("sqlite:///x.db"), DecisionLog("sqlite:///x.db")
    there._local = False  # as with PostgreSQL, which this machine does not have
    private = replace(ONE, private=True)
    assert here._outward(private).query == ONE.query
    assert there._outward(private).query == ""
    assert there._outward(ONE).query == ONE.query


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("not a url", "not a database URL"),
        ("postgresql+nobody://host/db", "not a database URL|not installed"),
        ("mssql+pyodbc://host/db", "not installed|SQLite or PostgreSQL"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        DecisionLog(url)


def test_reading_what_is_not_there(url: str) -> None:
    with pytest.raises(IsthmusError, match="cannot be read"):
        list(read_log(url))


def test_a_profile_of_live_traffic(url: str, write: Callable[..., None], tmp_path: FilePath) -> None:
    write(
        entry(1),
        entry(2, latency_s=0.9),
        entry(3, path=LARGE, latency_s=2.0, cost_usd=0.1),
        entry(4, query="And the fan?", path=LARGE),
        entry(5, path="none/none/none/gone"),
        Feedback("1", 1.0, 0.0),
        Feedback("1", 2.0, 1.0),
        Feedback("2", 3.0, 0.5),
    )
    write_table(profile_from_log(url, CONFIG), tmp_path / "profile")
    table = read_table(tmp_path / "profile")
    assert table.profile.queries == ("Is the lamp on?", "And the fan?")
    assert [(row.name, row.tier) for row in table.paths] == [(SMALL, "edge"), (LARGE, "cloud")]
    np.testing.assert_allclose(table.profile.accuracy, [[0.75, np.nan], [np.nan, np.nan]])
    np.testing.assert_allclose(table.profile.latency_s, [[0.5, 1.8], [np.nan, 0.3]])  # without 0.2 s in queues
    np.testing.assert_allclose(table.profile.cost_usd, [[0.001, 0.1], [np.nan, 0.001]])
    assert table.domains == ("home", "home")


@pytest.mark.parametrize("entries", [(), (entry(1),)])
def test_a_log_without_feedback_makes_no_profile(url: str, write: Callable[..., None], entries: tuple[Decided, ...]) -> None:
    write(entry(0, path="none/none/none/gone"), Feedback("0", 1.0, 1.0), *entries)
    with pytest.raises(IsthmusError, match=f"has {len(entries)} answers .* but no feedback"):
        profile_from_log(url, CONFIG)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "sqlite:///{}/.isthmus/log.db"),
        ("log: {url: 'sqlite:///kept/mine.db'}", "sqlite:///{}/kept/mine.db"),
        ("log: {url: 'sqlite:////var/mine.db'}", "sqlite:////var/mine.db"),
        ("log: {url: 'postgresql://host/db'}", "postgresql://host/db"),
        ("log: null", None),
    ],
)
def test_where_the_log_is(tmp_path: FilePath, text: str, expected: str | None) -> None:
    (tmp_path / "isthmus.yaml").write_text(f"models: {{edge: {{engine: echo}}}}\n{text}\n")
    log = load(tmp_path / "isthmus.yaml").log
    assert (log.url if log else None) == (expected and expected.format(tmp_path))


def profile_command(folder: FilePath, *words: str) -> Any:
    return CliRunner().invoke(app, ["profile", "--config", str(folder / "isthmus.yaml"), "--out", str(folder / "out"), *words])


def test_what_the_log_tells_joins_a_profile(tmp_path: FilePath, write: Callable[..., None], url: str) -> None:
    settings = {"models": {"small": {"engine": "echo"}, "large": {"engine": "echo"}}, "log": {"url": url}}
    (tmp_path / "isthmus.yaml").write_text(yaml.safe_dump(settings))
    write(entry(1), Feedback("1", 200.0, 0.25), entry(2, query="And the oven?", path=LARGE), Feedback("2", 200.0, 1.0))
    first = profile_command(tmp_path, "--from-log", "--json")
    assert json.loads(first.stdout) == {"profile": str(tmp_path / "out"), "logged_queries": 2, "queries": 2, "paths": 2}
    measured = read_table(tmp_path / "out").only([SMALL])
    renamed = replace(measured, profile=replace(measured.profile, query_ids=("m-1", "m-2")))
    write_table(renamed, tmp_path / "out")
    assert json.loads(profile_command(tmp_path, "--from-log", "--json").stdout)["queries"] == 4
    assert "2 questions of the log" in profile_command(tmp_path, "--from-log").stdout
    table = read_table(tmp_path / "out")
    assert set(table.profile.paths) == {SMALL, LARGE}
    assert len(table.profile.query_ids) == 4  # adding the same again changes nothing
    np.testing.assert_array_equal(np.nansum(table.profile.accuracy, axis=0), [0.5, 1.0])


@pytest.mark.parametrize("words", [(), ("--from-log", "--queries", "some.jsonl")])
def test_a_profile_has_one_source(tmp_path: FilePath, words: tuple[str, ...]) -> None:
    refused = profile_command(tmp_path, *words)
    assert isinstance(refused.exception, ConfigurationError) or "give one of the two" in refused.output
