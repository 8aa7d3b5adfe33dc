"""The contract of `isthmus evaluate`, on tables small enough to reckon by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from cluster.evaluate import evaluate
from cluster.profile import Table
from policies.errors import ConfigurationError

Make = Callable[..., Table]
POLICIES = {"isthmus", "isthmus_fair", "best_single", "cheapest", "random", "zero_router", "knn", "kmeans", "ridge", "oracle"}


def unit(rng: np.random.Generator, rows: int) -> npt.NDArray[np.float64]:
    vectors = rng.normal(size=(rows, 16))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def routed(make: Make, rng: np.random.Generator, rows: int, signal: bool) -> tuple[Table, npt.NDArray[np.float64]]:
    """The cheap path answers half of the questions; with `signal`, the vector tells which. The dear one answers 9 of 10."""
    vectors = unit(rng, rows)
    easy = vectors[:, 0] > 0 if signal else rng.random(rows) < 0.5
    accuracy = np.stack([easy, rng.random(rows) < 0.9], axis=1).astype(float)
    return make(accuracy.tolist(), np.tile([1.0, 10.0], (rows, 1)).tolist()), vectors


def test_a_frontier_and_its_numbers(make: Make) -> None:
    table = make([[0.0, 1.0], [1.0, 1.0]], [[1.0, 3.0], [1.0, 3.0]])
    result = evaluate(table, table, "latency_s", np.eye(2), np.eye(2))
    assert result["policies"].keys() == POLICIES
    zero = result["policies"]["zero_router"]
    assert zero["frontier"] == [[1.0, 0.5], [3.0, 1.0]]
    assert zero["aiq"] == pytest.approx(0.75)
    assert result["policies"]["cheapest"]["objective_ratio_at_best_single_accuracy"] is None
    assert result["policies"]["oracle"]["objective_ratio_at_best_single_accuracy"] == pytest.approx(2 / 3)
    assert result["policies"]["random"]["accuracy"] == pytest.approx(0.75)


def test_signal_is_used(make: Make) -> None:
    rng = np.random.default_rng(0)
    (train, train_vectors), (test, test_vectors) = (routed(make, rng, rows, True) for rows in (400, 400))
    policies = evaluate(train, test, "latency_s", train_vectors, test_vectors)["policies"]
    assert policies["isthmus"]["objective_ratio_at_best_single_accuracy"] < 0.7
    assert policies["isthmus"]["aiq"] > policies["zero_router"]["aiq"] + 0.05


@pytest.mark.parametrize("seed", range(3))
def test_without_signal_it_is_no_worse_than_the_best_single_path(make: Make, seed: int) -> None:
    rng = np.random.default_rng(seed)
    (train, train_vectors), (test, test_vectors) = (routed(make, rng, rows, False) for rows in (200, 400))
    policies = evaluate(train, test, "latency_s", train_vectors, test_vectors)["policies"]
    assert policies["isthmus"]["accuracy"] >= policies["best_single"]["accuracy"] - 0.005
    assert policies["isthmus"]["aiq"] >= policies["zero_router"]["aiq"] - 0.01


def test_one_query_and_one_path(make: Make) -> None:
    table = make([[1.0]], [[2.0]])
    result = evaluate(table, table, "latency_s", np.eye(1), np.eye(1))
    assert {policy["accuracy"] for policy in result["policies"].values()} == {1.0}


def test_missing_cells_are_never_chosen(make: Make) -> None:
    nan = float("nan")
    train = make([[0.9, 1.0], [0.8, 1.0], [0.9, 1.0]], [[1.0, 2.0]] * 3)
    test = make([[0.5, nan], [0.5, 1.0]], [[1.0, nan], [1.0, 2.0]])
    result = evaluate(train, test, "latency_s", np.eye(3), np.eye(3)[:2])
    assert result["policies"]["best_single"]["accuracy"] == pytest.approx(0.75)


def test_the_best_of_paths_measured_rarely_is_told_by_what_they_have_in_common(make: Make) -> None:
    """Twelve answers for each of sixteen paths whose stages add up: the highest mean is mostly luck."""
    stages = [(retrieve, model) for retrieve in range(4) for model in range(4)]
    chances = np.array([0.2 + 0.15 * retrieve + 0.08 * model for retrieve, model in stages])
    reached = dict[str, list[float]]()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        seen = rng.random((200, 16)) < 0.06
        answers = np.where(seen, rng.random(seen.shape) < chances, np.nan)
        train, test = (
            make(answers.tolist(), np.where(seen, 1.0, np.nan).tolist()),
            make([chances.tolist()] * 50, [[1.0] * 16] * 50),
        )
        rows = [replace(row, retrieve=f"r{r}", generate=f"m{m}") for row, (r, m) in zip(train.paths, stages, strict=True)]
        policies = evaluate(replace(train, paths=tuple(rows)), test, "latency_s", unit(rng, 200), unit(rng, 50))["policies"]
        for name in ("isthmus", "best_single"):
            reached.setdefault(name, []).append(policies[name]["accuracy"])
    assert np.mean(reached["isthmus"]) > np.mean(reached["best_single"]) + 0.02


def test_tables_that_do_not_fit(make: Make) -> None:
    table = make([[1.0, 0.5]], [[1.0, 2.0]])
    with pytest.raises(ConfigurationError, match="has no cost_usd"):
        evaluate(table, table, "cost_usd", np.eye(1), np.eye(1))
    with pytest.raises(ConfigurationError, match="No cell of the test table"):
        evaluate(table, make([[1.0, 0.5]]), "latency_s", np.eye(1), np.eye(1))
    with pytest.raises(ConfigurationError, match="share no path"):
        evaluate(table.select(table.profile.paths[:1]), table.select(table.profile.paths[1:]), "latency_s", np.eye(1), np.eye(1))
