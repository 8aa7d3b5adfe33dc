"""Operating points of a policy, (objective, accuracy), and the frontier they span.

A frontier is the non-decreasing convex hull of the points: between two of them a caller may choose at random, so every
mixture is reachable (RouterBench, arXiv 2403.12031). Objective is a mean of latency, cost or energy: less is better.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
_TOLERANCE = 1e-12  # two means of the same cells, summed in another order, are the same point


def frontier(points: npt.ArrayLike) -> FloatArray:
    """The upper left hull of `points`, shape (points, 2), by rising objective and accuracy. Points with NaN are left out."""
    given = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    given = given[~np.isnan(given).any(axis=1)]
    hull: list[tuple[float, float]] = []
    for x, y in given[np.lexsort((-given[:, 1], given[:, 0]))]:
        if hull and y <= hull[-1][1] + _TOLERANCE:
            continue
        while len(hull) > 1 and _is_below(hull[-2], hull[-1], (x, y)):
            hull.pop()
        hull.append((float(x), float(y)))
    return np.array(hull, dtype=np.float64).reshape(-1, 2)


def height(hull: FloatArray, objective: float) -> float:
    """The best accuracy at no more than `objective`; 0 below the first point, the last point's beyond the last."""
    if len(hull) == 0:
        return 0.0
    return float(np.interp(objective, hull[:, 0], hull[:, 1], left=0.0))


def least_objective(hull: FloatArray, accuracy: float) -> float | None:
    """The least objective at which the frontier has `accuracy`, or None if it never does."""
    reached = np.flatnonzero(hull[:, 1] >= accuracy - _TOLERANCE) if len(hull) else np.empty(0, dtype=np.intp)
    if len(reached) == 0:
        return None
    right = int(reached[0])
    if right == 0:
        return float(hull[0, 0])
    (x0, y0), (x1, y1) = hull[right - 1], hull[right]
    return float(x0 + (x1 - x0) * min(1.0, (accuracy - y0) / (y1 - y0)))


def mean_height(hull: FloatArray, start: float, end: float) -> float:
    """Mean height between the objectives `start` and `end` (RouterBench's AIQ); the height at `end` if they do not differ."""
    if len(hull) == 0 or end <= start:
        return height(hull, end)
    inner = hull[(hull[:, 0] > start) & (hull[:, 0] < end), 0]
    edges = np.concatenate(([start], inner, [end]))
    middles = (edges[:-1] + edges[1:]) / 2  # exact, since the frontier is straight between its points
    heights = np.interp(middles, hull[:, 0], hull[:, 1], left=0.0)
    return float(heights @ np.diff(edges) / (end - start))


def pareto(accuracy: FloatArray, costs: FloatArray, accuracy_band: float = 0.0, cost_band: float = 0.0) -> npt.NDArray[np.bool_]:
    """Which paths no other path beats: the ε-Pareto set over accuracy (more) and every row of `costs` (less).

    A path falls only if another one is no worse on any axis and better on one by more than its band: `accuracy_band` is
    absolute, `cost_band` a share. So noise does not kill a good path. Shapes (paths,) and (axes, paths); a path with an
    accuracy of NaN is unknown and stays; costs of NaN are not compared.
    """
    kept = np.ones(len(accuracy), dtype=np.bool_)
    for path, its_accuracy in enumerate(accuracy):
        if np.isnan(its_accuracy):
            continue
        mine = costs[:, path, None]
        no_worse = (accuracy >= its_accuracy) & ~(costs > mine).any(axis=0)
        better = (accuracy > its_accuracy + accuracy_band) | (costs < mine * (1 - cost_band)).any(axis=0)
        kept[path] = not (no_worse & better).any()
    return kept


def _is_below(left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]) -> bool:
    rise = (middle[1] - left[1]) * (right[0] - left[0])
    return rise <= (right[1] - left[1]) * (middle[0] - left[0])
