"""Which cells to measure, given that only a share of all query × path cells can be (ECO-LLM's Emulator, arXiv 2507.09003).

The paper clusters queries and keeps Pareto-optimal paths; how the budget is spent in between is our completion:
representatives try all paths; then, in rounds, every query tries paths that may still be on its cluster's frontier, the more the
more its cluster's answers vary. Between rounds the frontier is drawn anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.clusters import Clusters, representatives
from policies.complete import complete, measured_means

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]
Cell = tuple[int, int]
TRIAL_SHARE = 0.25  # of the budget goes to trying all paths on representatives
ROUNDS = 5
SURE = 2.0  # standard errors by which a path must be worse to be given up
_ELSEWHERE = 0.2  # what a measurement of a path in another cluster counts, as to how well its mean in this one is known
_PRIOR = 2.0  # measurements that hold a path's mean in a cluster near its mean over all


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured so far, shape (queries, paths), NaN where not; `costs` of shape (axes, queries, paths)."""

    accuracy: FloatArray
    costs: FloatArray


class Exploration:
    """A budget of cells: `trial` names the first ones, `round` the others, given what was found so far."""

    def __init__(
        self,
        vectors: FloatArray,
        clusters: Clusters,
        options: Sequence[Sequence[str]],
        budget: int,
        rng: np.random.Generator,
    ) -> None:
        """`budget` is a number of cells; it is raised to one per query, since a query without a cell teaches nothing."""
        self._vectors, self._clusters, self._options, self._rng = vectors, clusters, options, rng
        self._queries, self._paths = len(vectors), len(options)
        self.budget = min(max(budget, self._queries), self._queries * self._paths)

    def trial(self) -> tuple[Cell, ...]:
        """All paths on representatives, clusters in turn, as many as the share allows. If it allows not even one, each path
        once, on representatives in turn."""
        whole = int(self._spare() * TRIAL_SHARE) // max(self._paths - 1, 1)
        turns = self._representatives(-(-whole // len(self._clusters.centroids)) or 1)
        if whole == 0:
            order = self._rng.permutation(self._paths)[: self._spare()]
            return tuple((int(turns[place % len(turns)]), int(path)) for place, path in enumerate(order))
        return tuple((query, path) for query in turns[:whole] for path in range(self._paths))

    def round(self, found: Found, rounds_left: int) -> tuple[Cell, ...]:
        """The cells of the next of `rounds_left` rounds: queries without any cell first, then those with fewest for how much
        their cluster's answers vary; of each query the promising path that its cluster has tried least."""
        done = ~np.isnan(found.accuracy)
        labels = self._clusters.labels
        tried = np.zeros((len(self._clusters.centroids), self._paths))
        np.add.at(tried, labels, done)
        unpromising = ~self._promising(found)
        weight, cells = self._spreads(found)[labels], done.sum(axis=1) + self._rng.random(self._queries) * 0.5
        chosen: list[Cell] = []
        for _ in range(-(-max(0, self.budget - int(done.sum())) // rounds_left)):
            query = int(np.argmin(np.where(cells < 1, cells - 1, np.where(done.all(axis=1), np.inf, cells / weight))))
            rank = np.where(done[query], np.inf, tried[labels[query]] + unpromising[labels[query]] * tried.size * self._queries)
            path = int(np.argmin(rank))
            chosen.append((query, path))
            done[query, path] = True
            tried[labels[query], path] += 1
            cells[query] += 1
        return tuple(chosen)

    def _spare(self) -> int:
        """Cells beyond the one that every query is owed."""
        return max(self.budget - self._queries, 0)

    def _representatives(self, number: int) -> list[int]:
        """Medoids of the clusters from the largest to the smallest, then the members farthest from them, `number` of each."""
        each = representatives(self._vectors, self._clusters, number)
        order = np.argsort(-np.bincount(self._clusters.labels), kind="stable")
        return [int(each[label][turn]) for turn in range(number) for label in order if turn < len(each[label])]

    def _promising(self, found: Found) -> BoolArray:
        """Whether a path may be on the frontier of a cluster, shape (clusters, paths): whether it is more accurate, or is within
        two standard errors of it, than every other path that is no dearer on any axis."""
        if np.isnan(found.accuracy).all():
            return np.ones((len(self._clusters.centroids), self._paths), dtype=np.bool_)
        whole = complete(found.accuracy, self._options)
        costs = np.array([measured_means(cost) for cost in found.costs]).reshape(len(found.costs), self._paths)
        no_dearer = (costs[:, None, :] <= costs[:, :, None]).all(axis=0) & ~np.eye(self._paths, dtype=np.bool_)
        noise = float(np.sqrt((whole.residuals[whole.observed] ** 2).mean()))
        promising = []
        for label in range(len(self._clusters.centroids)):
            mine = self._clusters.labels == label
            count = whole.observed[mine].sum(axis=0)
            sums = (whole.residuals[mine] * whole.observed[mine]).sum(axis=0)
            means = whole.means + sums / (count + _PRIOR)
            error = SURE * noise / np.sqrt(1 + count + _ELSEWHERE * (whole.observed.sum(axis=0) - count))
            promising.append(means + error > np.where(no_dearer, means, -np.inf).max(axis=1))
        return np.array(promising)

    def _spreads(self, found: Found) -> FloatArray:
        """Standard deviation of the answers in each cluster; that of all where a cluster has fewer than two."""
        overall = float(np.nanstd(found.accuracy)) if not np.isnan(found.accuracy).all() else 1.0
        spreads = []
        for label in range(len(self._clusters.centroids)):
            mine = found.accuracy[self._clusters.labels == label]
            cells = mine[~np.isnan(mine)]
            spreads.append(float(cells.std()) if len(cells) > 1 else overall)
        return np.maximum(spreads, 0.1)
