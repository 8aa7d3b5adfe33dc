"""The numbers of a report, from a profile and the vectors of its queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cluster.evaluate import evaluate
from cluster.profile import Table
from policies.clusters import cluster
from policies.complete import Completed, complete, measured_means
from policies.critical import critical, losses
from policies.errors import ConfigurationError
from policies.forecast import AXES, Axis
from policies.frontier import pareto

FloatArray = npt.NDArray[np.float64]
STAGES = ("preprocess", "retrieve", "refine", "generate")
CLUSTERS = tuple(range(2, 11))
EXAMPLES = 4
LEARNT = 0.7
"""Share of the distinct questions that the policies of the table learn from; they are scored on the others."""
TAU = 0.05
"""A stage is critical if forbidding its best option costs more accuracy than this."""
_PRIOR = 2.0  # measurements that hold a path's mean in a cluster near its mean over all queries
_SEED = 0


@dataclass(frozen=True, slots=True)
class PathMeans:
    """What a path does on average: accuracy for the queries in question, costs over all; None where a cost was never measured.

    `cells` is how many of the queries it was measured on.
    """

    path: str
    tier: str
    cells: int
    accuracy: float
    latency_s: float | None
    cost_usd: float | None
    energy_j: float | None
    on_frontier: bool
    """Whether no other path is better on accuracy and on every cost."""


@dataclass(frozen=True, slots=True)
class Group:
    """Queries that are alike. `losses` tells for each stage what forbidding its best option costs in accuracy, `critical` which
    stages matter for these queries."""

    queries: int
    examples: tuple[str, ...]
    frontier: tuple[PathMeans, ...]
    losses: dict[str, float]
    critical: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything that a page shows but what the exploration cost, which the profile does not know."""

    queries: int
    cells: int
    axes: tuple[Axis, ...]
    paths: tuple[PathMeans, ...]
    losses: dict[str, float]
    groups: tuple[Group, ...]
    policies: tuple[dict[str, Any], ...]
    """What `isthmus evaluate` says of a split of the queries, for each axis; empty if the profile is too small to split."""


def analyse(table: Table, vectors: FloatArray) -> Analysis:
    """`vectors` of shape (queries, width) are unit vectors."""
    profile = table.profile
    options = [row.options for row in table.paths]
    axes: tuple[Axis, ...] = tuple(axis for axis in AXES if not np.isnan(getattr(profile, axis)).all())
    whole = complete(profile.accuracy, options)
    costs = {axis: measured_means(getattr(profile, axis)) for axis in axes}
    groups = cluster(vectors, CLUSTERS, np.random.default_rng(_SEED))
    return Analysis(
        len(vectors),
        int((~np.isnan(profile.accuracy)).sum()),
        axes,
        _means(table, whole.means, whole.observed.sum(axis=0), costs),
        _losses(whole.means, options),
        tuple(
            _group(table, vectors, np.flatnonzero(groups.labels == label), groups.centroids[label], whole, costs)
            for label in np.argsort(-np.bincount(groups.labels), kind="stable")
        ),
        _policies(table, vectors, axes),
    )


def _means(
    table: Table, accuracy: FloatArray, cells: npt.NDArray[np.intp], costs: dict[Axis, FloatArray]
) -> tuple[PathMeans, ...]:
    stacked = np.array(list(costs.values())).reshape(len(costs), len(accuracy))
    kept = pareto(accuracy, stacked)
    return tuple(
        PathMeans(
            row.name,
            row.tier,
            int(cells[place]),
            float(np.clip(accuracy[place], 0.0, 1.0)),
            _known(costs, "latency_s", place),
            _known(costs, "cost_usd", place),
            _known(costs, "energy_j", place),
            bool(kept[place]),
        )
        for place, row in enumerate(table.paths)
    )


def _group(
    table: Table,
    vectors: FloatArray,
    members: npt.NDArray[np.intp],
    centroid: FloatArray,
    whole: Completed,
    costs: dict[Axis, FloatArray],
) -> Group:
    observed = whole.observed[members]
    sums, counts = (whole.residuals[members] * observed).sum(axis=0), observed.sum(axis=0)
    accuracy = whole.means + sums / (counts + _PRIOR)
    nearest = members[np.argsort(-(vectors[members] @ centroid), kind="stable")]
    examples = tuple(dict.fromkeys(table.profile.queries[query] for query in nearest))[:EXAMPLES]
    frontier = tuple(path for path in _means(table, accuracy, counts, costs) if path.on_frontier)
    options = [row.options for row in table.paths]
    matter = tuple(stage for stage, matters in zip(STAGES, critical(accuracy, options, TAU), strict=True) if matters)
    return Group(len(members), examples, frontier, _losses(accuracy, options), matter)


def _known(costs: dict[Axis, FloatArray], axis: Axis, place: int) -> float | None:
    value = costs[axis][place] if axis in costs else np.nan
    return None if np.isnan(value) else float(value)


def _losses(accuracy: FloatArray, options: Sequence[Sequence[str]]) -> dict[str, float]:
    return dict(zip(STAGES, map(float, losses(accuracy, options)), strict=True))


def _policies(table: Table, vectors: FloatArray, axes: Sequence[Axis]) -> tuple[dict[str, Any], ...]:
    texts, of_query = np.unique(np.array(table.profile.queries), return_inverse=True)
    order = np.random.default_rng(_SEED).permutation(len(texts))
    learnt = np.isin(of_query, order[: int(LEARNT * len(texts))])
    train, test = np.flatnonzero(learnt), np.flatnonzero(~learnt)
    if not len(train) or not len(test):
        return ()
    results = []
    for axis in axes:
        try:
            parts = table.rows(train.tolist()), table.rows(test.tolist())
            results.append(evaluate(*parts, axis, vectors[train], vectors[test]))
        except ConfigurationError:
            continue  # one of the parts has no cell with this axis
    return tuple(results)
