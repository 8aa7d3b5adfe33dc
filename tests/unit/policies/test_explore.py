"""Exploration spends exactly its budget, never twice on one cell, and leaves no query without one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.clusters import cluster, kmeans, representatives, silhouette
from policies.explore import ROUNDS, Cell, Exploration, Found

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def vectors(rng: np.random.Generator, queries: int, groups: int = 3) -> FloatArray:
    centres = rng.normal(size=(groups, 6)) * 3
    found = centres[rng.integers(groups, size=queries)] + rng.normal(size=(queries, 6)) * 0.3
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def measure(exploration: Exploration, accuracy: FloatArray, fails: Callable[[], bool] = lambda: False) -> list[list[Cell]]:
    """The cells of the trial and of each round, when measuring gives `accuracy` and the path's number is its cost."""
    seen = np.full(accuracy.shape, np.nan)
    batches = [list(exploration.trial())]
    for left in range(ROUNDS, -1, -1):
        for cell in batches[-1]:
            if not fails():
                seen[cell] = accuracy[cell]
        if left:
            costs = np.where(np.isnan(seen), np.nan, np.arange(1.0, accuracy.shape[1] + 1))[None]
            batches.append(list(exploration.round(Found(seen.copy(), costs), left)))
    return batches


def made(points: FloatArray, paths: int, budget: int, rng: np.random.Generator) -> Exploration:
    options = [(f"r{path % 3}", f"m{path // 3}") for path in range(paths)]
    return Exploration(points, cluster(points, (2, 3, 4), rng), options, budget, rng)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000), queries=st.integers(1, 40), paths=st.integers(1, 12), share=st.floats(0, 1))
def test_the_budget_is_spent_to_the_cell(seed: int, queries: int, paths: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    exploration = made(vectors(rng, queries), paths, int(share * queries * paths), rng)
    cells = [cell for batch in measure(exploration, rng.random((queries, paths)).round()) for cell in batch]
    assert len(set(cells)) == len(cells) == exploration.budget
    assert exploration.budget == min(max(int(share * queries * paths), queries), queries * paths)
    assert {query for query, _ in cells} == set(range(queries))
    assert all(0 <= path < paths for _, path in cells)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), failing=st.sampled_from([0.3, 1.0]))
def test_what_failed_may_be_tried_again_but_nothing_that_was_measured(seed: int, failing: float) -> None:
    rng = np.random.default_rng(seed)
    exploration = made(vectors(rng, 20), 6, 50, rng)
    measured = set[Cell]()
    done: list[bool] = []

    def fails() -> bool:
        done.append(bool(rng.random() < failing))
        return done[-1]

    batches = measure(exploration, np.ones((20, 6)), fails)
    tried = iter(done)
    for batch in batches:
        assert len(set(batch)) == len(batch)
        assert not measured & set(batch)
        measured |= {cell for cell in batch if not next(tried)}


def test_representatives_try_everything_and_the_beaten_are_left_out() -> None:
    rng = np.random.default_rng(0)
    points = vectors(rng, 100)
    exploration = Exploration(points, cluster(points, (3,), rng), [("none", f"m{path}") for path in range(10)], 200, rng)
    accuracy = np.tile([0.5, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0], (100, 1))
    trial, *rounds = measure(exploration, accuracy)
    tried = sorted({query for query, _ in trial})
    assert len(tried) > 1
    assert sorted(trial) == [(query, path) for query in tried for path in range(10)]
    assert {path for batch in rounds for _, path in batch} == {0, 4}  # the cheapest and the best


def test_more_is_measured_where_answers_vary() -> None:
    rng = np.random.default_rng(1)
    points = np.repeat(np.eye(2), 50, axis=0) + rng.normal(size=(100, 2)) * 0.01
    exploration = Exploration(points, cluster(points, (2,), rng), [("none", f"m{path}") for path in range(8)], 400, rng)
    accuracy = np.ones((100, 8))
    accuracy[50:] = np.indices((50, 8)).sum(axis=0) % 2
    cells = [query for batch in measure(exploration, accuracy) for query, _ in batch]
    assert sum(query >= 50 for query in cells) > 2 * sum(query < 50 for query in cells)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 30), wanted=st.integers(1, 40), copies=st.booleans())
def test_no_cluster_is_empty_and_each_has_its_representatives(seed: int, rows: int, wanted: int, copies: bool) -> None:
    points = vectors(np.random.default_rng(seed), rows)
    points = np.repeat(points[:1], rows, axis=0) if copies else points
    found = kmeans(points, wanted, np.random.default_rng(seed))
    sizes = np.bincount(found.labels, minlength=len(found.centroids))
    assert (sizes > 0).all()
    assert len(sizes) <= min(wanted, rows)
    for label, mine in enumerate(representatives(points, found, 3)):
        assert len(set(mine.tolist())) == len(mine) == min(3, sizes[label])
        assert (found.labels[mine] == label).all()


def test_clusters_that_are_there_are_found() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 25)
    points = np.eye(4)[truth] + rng.normal(size=(100, 4)) * 0.05
    found = cluster(points, range(2, 9), rng)
    assert len(found.centroids) == 4
    assert silhouette(points, found.labels) == pytest.approx(silhouette(points, truth))
    assert silhouette(points, np.zeros(100, dtype=np.intp)) == 0.0
