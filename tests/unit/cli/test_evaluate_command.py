"""`isthmus evaluate` from the command line: the numbers of the contract, and one sentence for what cannot be scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cluster.encoder
from tests.unit.cli.profiles import Letters, profile

Isthmus = Callable[..., Any]
KEYS = {
    "accuracy",
    "objective",
    "objective_ratio",
    "frontier",
    "objective_ratio_at_best_single_accuracy",
    "accuracy_at_best_single_objective",
    "aiq",
}


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.encoder, "open_encoder", Letters)


def test_the_numbers_of_the_contract(isthmus: Isthmus, tmp_path: Path) -> None:
    train, test = profile(tmp_path / "train"), profile(tmp_path / "test", queries=4)
    answer = isthmus("evaluate", "--train", train, "--test", test, "--json")
    assert answer.exit_code == 0, answer.stderr
    result = json.loads(answer.stdout)
    assert (result["objective"], result["train_queries"], result["test_queries"], result["paths"]) == ("latency_s", 6, 4, 3)
    assert all(policy.keys() == KEYS for policy in result["policies"].values())
    assert "isthmus" in isthmus("evaluate", "--train", train, "--test", test).stdout


def test_a_narrow_terminal_shows_every_name_and_number_in_full(
    isthmus: Isthmus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    train, test = profile(tmp_path / "train"), profile(tmp_path / "test", queries=4)
    result = json.loads(isthmus("evaluate", "--train", train, "--test", test, "--json").stdout)
    shown = isthmus("evaluate", "--train", train, "--test", test).stdout
    words = [line.split() for line in shown.splitlines()]
    for name, policy in result["policies"].items():
        (row,) = (row for row in words if row[:1] == [name])
        assert row[1] == f"{policy['accuracy']:.3f}"
        assert row[-1] == f"{policy['aiq']:.3f}"
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(("queries", "paths"), [(1, 1), (1, 3), (5, 1), (2, 2)])
def test_the_smallest_tables_are_scored(isthmus: Isthmus, tmp_path: Path, queries: int, paths: int) -> None:
    table = profile(tmp_path / "table", queries, paths)
    answer = isthmus("evaluate", "--train", table, "--test", table, "--json")
    assert answer.exit_code == 0, answer.stderr


def test_missing_cells_are_no_zeros(isthmus: Isthmus, tmp_path: Path) -> None:
    gaps = [None if cell % 3 == 2 else 1.0 for cell in range(18)]
    train, test = profile(tmp_path / "train", accuracy=gaps), profile(tmp_path / "test", accuracy=gaps)
    result = json.loads(isthmus("evaluate", "--train", train, "--test", test, "--json").stdout)
    assert result["paths"] == 2
    assert {policy["accuracy"] for policy in result["policies"].values()} == {1.0}


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"latency_s": [-1.0] * 18}, "latency_s -1 in row 1"),
        ({"accuracy": [float("nan")] * 18}, "no accuracy at all"),
        ({"path": ["generate=m0"] * 18}, "rows for query"),
        ({"path": ["generate=m9"] * 18}, "does not have"),
    ],
)
def test_bad_measurements_are_one_sentence(isthmus: Isthmus, tmp_path: Path, columns: dict[str, Any], sentence: str) -> None:
    answer = isthmus("evaluate", "--train", profile(tmp_path / "a"), "--test", profile(tmp_path / "b", **columns))
    assert answer.exit_code == 2
    assert sentence in answer.stderr
    assert "Traceback" not in answer.stderr


def test_what_is_missing_is_said(isthmus: Isthmus, tmp_path: Path) -> None:
    table = profile(tmp_path / "table")
    assert "There is no" in isthmus("evaluate", "--train", tmp_path / "nothing", "--test", table).stderr
    answer = isthmus("evaluate", "--train", table, "--test", table, "--objective", "energy_j")
    assert answer.exit_code == 2
    assert "no energy_j" in answer.stderr
