"""Score policies on a table they were not trained on: `isthmus evaluate`.

Every choice is made on the training table and scored on the test table. A policy's frontier is the non-decreasing convex
hull of its operating points, since every policy may mix two of them at random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cluster.profile import Table
from policies import baselines
from policies.errors import ConfigurationError
from policies.forecast import Axis
from policies.frontier import frontier, height, least_objective, mean_height
from policies.measured import Measured
from policies.operate import Operating, Replay, fair_price, on_frontier, operating_points, prices
from policies.predict import Measure, Predictor, fit_predictor
from policies.shape import shapes
from policies.sight import Seen
from policies.sparse import SPARSE

FloatArray = npt.NDArray[np.float64]
Points = list[tuple[float, float]]
_SEED = 0


@dataclass(frozen=True, slots=True)
class Result:
    """How one policy did on the test table; `points[0]` is how it is run for accuracy alone."""

    points: Points
    best_single: tuple[float, float]
    cheapest: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        hull = frontier(self.points)
        reference, accuracy = self.best_single
        least = least_objective(hull, accuracy)
        return {
            "accuracy": self.points[0][1],
            "objective": self.points[0][0],
            "objective_ratio": _ratio(self.points[0][0], reference),
            "frontier": hull.tolist(),
            "objective_ratio_at_best_single_accuracy": None if least is None else _ratio(least, reference),
            "accuracy_at_best_single_objective": height(hull, reference),
            "aiq": mean_height(hull, self.cheapest[0], reference),
        }


@dataclass(frozen=True, slots=True)
class Setting:
    """The two tables as the policies see them. `accuracy` and `costs` are the training cells, `vectors` and `texts` the
    test queries', `at` the prices to run at."""

    predictor: Predictor
    cost: Measure
    known: FloatArray
    accuracy: FloatArray
    costs: FloatArray
    vectors: FloatArray
    texts: tuple[str, ...]
    test: Measured
    at: FloatArray

    @property
    def seen(self) -> Seen:
        return self.predictor.sight.see(self.vectors, shapes(self.texts))

    @property
    def replay(self) -> Replay:
        accuracy, cost = self.predictor.accuracy, self.cost
        profiled, left_out = Measured(accuracy.measured, cost.measured), Measured(accuracy.left_out, cost.left_out)
        return Replay.of(profiled, left_out, self.predictor.weights)

    @property
    def means(self) -> FloatArray:
        return np.asarray(np.nanmean(self.accuracy, axis=0), dtype=np.float64)

    @property
    def expected(self) -> FloatArray:
        """What each path reaches on the whole. Where most cells are missing the highest of the plain means is mostly luck, and
        completed ones borrow from the paths that share stages (`policies.complete`)."""
        return self.predictor.accuracy.means if np.isnan(self.accuracy).mean() > 1 - SPARSE else self.means

    @property
    def mean_costs(self) -> FloatArray:
        return np.asarray(np.nanmean(self.costs, axis=0), dtype=np.float64)

    @property
    def best_single(self) -> int:
        return int(self.means.argmax())

    @property
    def cheapest(self) -> int:
        return int(self.mean_costs.argmin())


def evaluate(train: Table, test: Table, objective: Axis, train_vectors: FloatArray, test_vectors: FloatArray) -> dict[str, Any]:
    """All policies on `test`, as `isthmus evaluate --json` prints them. Vectors are unit vectors, one row per query.

    Raises ConfigurationError if the tables share no path or one lacks the objective.
    """
    train, test = _aligned(train, test, objective)
    setting = _setting(train, test, objective, train_vectors, test_vectors)
    best, cheapest = (_single(setting, path) for path in (setting.best_single, setting.cheapest))
    return {
        "objective": objective,
        "train_queries": len(train.profile.query_ids),
        "test_queries": len(setting.vectors),
        "paths": len(train.paths),
        "policies": {name: Result(run(setting), best, cheapest).as_json() for name, run in POLICIES.items()},
    }


def _setting(train: Table, test: Table, objective: Axis, train_vectors: FloatArray, test_vectors: FloatArray) -> Setting:
    measured = Measured(test.profile.accuracy, getattr(test.profile, objective))
    some = measured.choosable.any(axis=1)
    if not some.any():
        raise ConfigurationError(f"No cell of the test table has both accuracy and {objective}; choose another objective.")
    predictor = fit_predictor(train.profile, train_vectors, [row.options for row in train.paths])
    accuracy, costs = train.profile.accuracy, getattr(train.profile, objective)
    scale = float(np.nanmean(costs, axis=0)[int(np.nanmean(accuracy, axis=0).argmax())])
    return Setting(
        predictor=predictor,
        cost=predictor.costs[objective],
        known=train_vectors,
        accuracy=accuracy,
        costs=costs,
        vectors=test_vectors[some],
        texts=tuple(test.profile.queries[row] for row in np.flatnonzero(some)),
        test=measured.only_measured(),
        at=prices(scale),
    )


def isthmus(setting: Setting) -> Points:
    accuracy, test, queries = setting.predictor.accuracy, setting.test, setting.seen
    views, expected = accuracy.views(queries), setting.cost.predict(queries)
    mean = views.mean(axis=0)

    def point(way: Operating) -> tuple[float, float]:
        if way.single is not None:
            return _single(setting, way.single)
        predicted = mean if way.view is None else views[way.view]
        return test.point(test.choose(predicted - way.price * expected))

    ways = operating_points(setting.replay, setting.expected, setting.mean_costs, setting.at, len(views))
    return [point(way) for way in ways]


def isthmus_fair(setting: Setting) -> Points:
    """Routing at the one price that is fixed in training, where a frontier is the best of many points on the test table; the best
    single path where no price was fair."""
    price = fair_price(setting.replay, setting.expected, setting.mean_costs)
    if price is None:
        return [_single(setting, int(setting.expected.argmax()))]
    predicted, expected = setting.predictor.accuracy.predict(setting.seen), setting.cost.predict(setting.seen)
    return setting.test.sweep(predicted, expected, np.array([price]))


def zero_router(setting: Setting) -> Points:
    """The single paths on the training frontier, the most accurate first."""
    return [_single(setting, path) for path in on_frontier(setting.means, setting.mean_costs)]


def _predicted(predict: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]) -> Callable[[Setting], Points]:
    def run(setting: Setting) -> Points:
        accuracy, cost = (
            predict(setting.known, baselines.filled(cells), setting.vectors) for cells in (setting.accuracy, setting.costs)
        )
        return setting.test.sweep(accuracy, cost, setting.at)

    return run


def _kmeans(vectors: FloatArray, values: FloatArray, queries: FloatArray) -> FloatArray:
    return baselines.cluster_means(vectors, values, queries, np.random.default_rng(_SEED))


def _random(setting: Setting) -> Points:
    """The expectation of choosing among the measured paths with equal chances."""
    each = [
        np.nanmean(np.where(setting.test.choosable, of, np.nan), axis=1) for of in (setting.test.objective, setting.test.accuracy)
    ]
    return [(float(each[0].mean()), float(each[1].mean()))]


def _oracle(setting: Setting) -> Points:
    return setting.test.sweep(setting.test.accuracy, setting.test.objective, setting.at)


def _single(setting: Setting, path: int) -> tuple[float, float]:
    return setting.test.point(setting.test.single(path, setting.means))


def _ratio(value: float, reference: float) -> float | None:
    return value / reference if reference > 0 else None


POLICIES: dict[str, Callable[[Setting], Points]] = {
    "isthmus": isthmus,
    "isthmus_fair": isthmus_fair,
    "best_single": lambda setting: [_single(setting, setting.best_single)],
    "cheapest": lambda setting: [_single(setting, setting.cheapest)],
    "random": _random,
    "zero_router": zero_router,
    "knn": _predicted(baselines.knn),
    "kmeans": _predicted(_kmeans),
    "ridge": _predicted(baselines.ridge),
    "oracle": _oracle,
}


def _aligned(train: Table, test: Table, objective: Axis) -> tuple[Table, Table]:
    """Both tables with the paths they share and that have the objective in training, in the same order."""
    costs = getattr(train.profile, objective)
    seen = ~(np.isnan(costs).all(axis=0) | np.isnan(train.profile.accuracy).all(axis=0))
    shared = [row.name for row, known in zip(train.paths, seen, strict=True) if known and row.name in set(test.profile.paths)]
    if not seen.any():
        raise ConfigurationError(f"The training table has no {objective}; choose another --objective.")
    if not shared:
        raise ConfigurationError("The two tables share no path; evaluate a table against another part of the same one.")
    return train.select(shared), test.select(shared)
