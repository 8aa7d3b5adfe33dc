"""Exploration spends exactly its budget, never twice on one cell, and leaves no query without one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.clusters import cluster, kmeans, representatives, silhouette
from policies.explore import Cell, Exploration, Found

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def vectors(rng: np.random.Generator, queries: int, groups: int = 3) -> FloatArray:
    centres = rng.normal(size=(groups, 6)) * 3
    found = centres[rng.integers(groups, size=queries)] + rng.normal(size=(queries, 6)) * 0.3
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def explore(
    seed: int, queries: int, paths: int, budget: int, failing: float = 0.0
) -> tuple[Exploration, tuple[Cell, ...], tuple[Cell, ...], FloatArray]:
    rng = np.random.default_rng(seed)
    points = vectors(rng, queries)
    options = [(f"r{path % 3}", f"m{path // 3}") for path in range(paths)]
    exploration = Exploration(points, cluster(points, (2, 3, 4), rng), options, budget, rng)
    trial = exploration.trial()
    accuracy = np.full((queries, paths), np.nan)
    for cell in trial:
        if rng.random() >= failing:
            accuracy[cell] = float(rng.random() < 0.2 + 0.6 * cell[1] / paths)
    costs = np.where(np.isnan(accuracy), np.nan, np.arange(1.0, paths + 1))[None]
    return exploration, trial, exploration.rest(Found(accuracy, costs)), accuracy


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    queries=st.integers(1, 40),
    paths=st.integers(1, 12),
    share=st.floats(0, 1),
    failing=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_the_budget_is_spent_to_the_cell(seed: int, queries: int, paths: int, share: float, failing: float) -> None:
    budget = int(share * queries * paths)
    exploration, trial, rest, accuracy = explore(seed, queries, paths, budget, failing)
    assert len(set(trial)) == len(trial)
    assert len(set(rest)) == len(rest)
    measured = {(int(query), int(path)) for query, path in np.argwhere(~np.isnan(accuracy))}
    assert not measured & set(rest)
    assert all(0 <= query < queries and 0 <= path < paths for query, path in rest)
    if not failing:
        assert len(trial) + len(rest) == exploration.budget == min(max(budget, queries), queries * paths)
    assert {query for query, _ in measured | set(rest)} == set(range(queries))


def test_representatives_try_everything_and_the_beaten_are_left_out() -> None:
    rng = np.random.default_rng(0)
    points = vectors(rng, 60)
    options = [("none", f"m{path}") for path in range(10)]
    exploration = Exploration(points, cluster(points, (3,), rng), options, 150, rng)
    trial = exploration.trial()
    tried = sorted({query for query, _ in trial})
    assert sorted(trial) == [(query, path) for query in tried for path in range(10)]
    accuracy = np.full((60, 10), np.nan)
    accuracy[tried] = np.where(np.arange(10) == 4, 1.0, 0.2)
    costs = np.where(np.isnan(accuracy), np.nan, np.where(np.arange(10) == 0, 0.1, 1.0))[None]
    rest = exploration.rest(Found(accuracy, costs))
    assert {path for _, path in rest} == {0, 4}  # the cheapest and the best


def test_more_is_measured_where_answers_vary() -> None:
    rng = np.random.default_rng(1)
    points = np.repeat(np.eye(2), 50, axis=0) + rng.normal(size=(100, 2)) * 0.01
    options = [("none", f"m{path}") for path in range(8)]
    exploration = Exploration(points, cluster(points, (2,), rng), options, 300, rng)
    accuracy = np.full((100, 8), np.nan)
    for query, path in exploration.trial():
        accuracy[query, path] = 1.0 if query < 50 else float((query + path) % 2)
    rest = exploration.rest(Found(accuracy, np.where(np.isnan(accuracy), np.nan, 1.0)[None]))
    beyond_the_first = np.array([sum(1 for query, _ in rest if (query < 50) == steady) for steady in (True, False)])
    assert beyond_the_first[1] > 2 * beyond_the_first[0]


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
