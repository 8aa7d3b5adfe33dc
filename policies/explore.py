"""Which cells to measure, given that only a share of all query × path cells can be (ECO-LLM's Emulator, arXiv 2507.09003).

The paper clusters queries and keeps Pareto-optimal paths; how the budget is spent in between is our completion:
representatives try all paths, then each cluster's kept paths go to its other queries, more where outcomes vary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.clusters import Clusters, representatives
from policies.complete import complete
from policies.frontier import pareto

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]
Cell = tuple[int, int]
TRIAL_SHARE = 0.5  # of the budget goes to trying all paths on representatives
COST_BAND = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured so far, shape (queries, paths), NaN where not; `costs` of shape (axes, queries, paths)."""

    accuracy: FloatArray
    costs: FloatArray


class Exploration:
    """A budget of cells, spent in two phases: `trial` names the first ones, `rest` the others given what the first found."""

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

    def rest(self, found: Found) -> tuple[Cell, ...]:
        """The remaining cells: every query one kept path of its cluster at least, then by size × variance; the paths that were
        not kept only once nothing else is left."""
        done = ~np.isnan(found.accuracy)
        kept = self._kept(found)
        dropped = [np.setdiff1d(np.arange(self._paths), paths) for paths in kept]
        chosen: list[Cell] = []
        for query in np.flatnonzero(~done.any(axis=1)):
            chosen.append((int(query), self._one(int(query), kept, len(chosen))))
        for paths in (kept, dropped):
            left = self.budget - int(done.sum()) - len(chosen)
            chosen += self._by_share(paths, found, set(chosen), left)
        return tuple(chosen)

    def _by_share(self, paths: Sequence[IntArray], found: Found, taken: set[Cell], number: int) -> list[Cell]:
        """At most `number` cells of each cluster's `paths` that are neither measured nor `taken`, clusters by their shares."""
        done = ~np.isnan(found.accuracy)
        queues = [self._queue(label, mine, done) for label, mine in enumerate(paths)]
        share, given = self._shares(found), np.zeros(len(paths))
        chosen: list[Cell] = []
        while len(chosen) < number and share.any():
            label = int(np.argmax(share / (given + 1)))
            cell = next((cell for cell in queues[label] if cell not in taken), None)
            if cell is None:
                share[label] = 0.0  # the cluster has no more
                continue
            chosen.append(cell)
            given[label] += 1
        return chosen

    def _spare(self) -> int:
        """Cells beyond the one that every query is owed."""
        return max(self.budget - self._queries, 0)

    def _representatives(self, number: int) -> list[int]:
        """Medoids of the clusters from the largest to the smallest, then the members farthest from them, `number` of each."""
        each = representatives(self._vectors, self._clusters, number)
        order = np.argsort(-np.bincount(self._clusters.labels), kind="stable")
        return [int(each[label][turn]) for turn in range(number) for label in order if turn < len(each[label])]

    def _kept(self, found: Found) -> list[IntArray]:
        """The ε-Pareto paths of each cluster; the band is the standard error of a path's mean in it. All, if nothing is known."""
        if np.isnan(found.accuracy).all():
            return [np.arange(self._paths) for _ in self._clusters.centroids]
        whole = complete(found.accuracy, self._options)
        expected = whole.means + whole.residuals * whole.observed
        costs = np.array([_path_means(cost) for cost in found.costs]).reshape(len(found.costs), self._paths)
        kept = []
        for label in range(len(self._clusters.centroids)):
            mine = expected[(self._clusters.labels == label) & whole.observed.any(axis=1)]
            seen = max(1, len(mine))
            # The path's mean over the whole table counts as one more query, so that one lucky answer does not decide.
            accuracy = (mine.sum(axis=0) + whole.means) / (len(mine) + 1)
            band = float(np.sqrt((whole.residuals[whole.observed] ** 2).mean() / seen))
            kept.append(np.flatnonzero(pareto(accuracy, costs, band, COST_BAND)))
        return kept

    def _queue(self, label: int, kept: IntArray, done: BoolArray) -> Iterator[Cell]:
        """The cluster's unmeasured cells of kept paths, one query after the other for each path, in random order."""
        members = np.flatnonzero(self._clusters.labels == label)
        order = self._rng.permutation(members)
        for turn in range(len(kept)):
            for place, query in enumerate(order):
                path = int(kept[(place + turn) % len(kept)])
                if not done[query, path]:
                    yield int(query), path

    def _one(self, query: int, kept: list[IntArray], turn: int) -> int:
        mine = kept[int(self._clusters.labels[query])]
        return int(mine[turn % len(mine)])

    def _shares(self, found: Found) -> FloatArray:
        """Size × variance of each cluster; the variance of all where a cluster has fewer than two measurements."""
        overall = float(np.nanvar(found.accuracy)) if not np.isnan(found.accuracy).all() else 1.0
        shares = []
        for label in range(len(self._clusters.centroids)):
            mine = found.accuracy[self._clusters.labels == label]
            cells = mine[~np.isnan(mine)]
            shares.append(len(mine) * (float(cells.var()) if len(cells) > 1 else overall))
        return np.array(shares) + 1e-9


def _path_means(cost: FloatArray) -> FloatArray:
    seen = ~np.isnan(cost)
    return np.where(seen.any(axis=0), np.where(seen, cost, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1), np.nan)
