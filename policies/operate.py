"""Where a router may be run: at each price of the objective, and on the single paths that no mixture of others beats.

Routing trusts the mean of all views of a query, or one of them alone: none reads every domain best, and a profile of
hundreds of queries does not tell which one does. At a price of nothing, routing has to prove itself on the profile with every
query's own measurements left out. Where it does not, the best single path is taken, so that on data without signal the
router is never worse than that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.frontier import frontier
from policies.measured import Measured

FloatArray = npt.NDArray[np.float64]
PROOF = 3.0
"""Standard errors by which routing must lead: with two, one table in forty without signal would be routed at random."""


@dataclass(frozen=True, slots=True)
class Operating:
    """One way to run: route at `price`, by one `view` or by the mean of all if None; or always take the path `single`."""

    price: float
    single: int | None = None
    view: int | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """Profiled outcomes beside what is predicted for the same cells without them, and how often each query was measured."""

    profiled: Measured
    left_out: Measured
    weights: FloatArray

    @classmethod
    def of(cls, profiled: Measured, left_out: Measured, weights: FloatArray) -> Replay:
        """Without the queries for which nothing can be chosen."""
        some = profiled.choosable.any(axis=1)
        return cls(
            Measured(profiled.accuracy[some], profiled.objective[some]),
            Measured(left_out.accuracy[some], left_out.objective[some]),
            weights[some],
        )

    def gain(self, price: float, best: int, means: FloatArray) -> tuple[float, float]:
        """By how much routing at `price` is more accurate than the path `best`, and the standard error of that."""
        if len(self.weights) == 0:
            return 0.0, 0.0
        routed = self.profiled.choose(self.left_out.accuracy - price * self.left_out.objective)
        more = self.profiled.outcomes(routed)[1] - self.profiled.outcomes(self.profiled.single(best, means))[1]
        mean = float(np.average(more, weights=self.weights))
        return mean, float(np.sqrt((self.weights**2 * (more - mean) ** 2).sum()) / self.weights.sum())


def prices(scale: float) -> FloatArray:
    """Prices from nothing to everything, for objectives of about `scale`, in accuracy per unit of the objective."""
    return np.concatenate(([0.0], np.geomspace(3e-4, 30.0, 100), [1e6])) / max(scale, 1e-300)


def operating_points(
    replay: Replay, means: FloatArray, mean_objective: FloatArray, at: FloatArray, views: int
) -> tuple[Operating, ...]:
    """What to run: first for accuracy alone, then routing at each price of `at`, by the mean of the views and by each of them,
    then the single paths on their frontier."""
    best = int(means.argmax())
    gain, error = replay.gain(0.0, best, means)
    first = Operating(0.0, None if gain > PROOF * error else best)
    routed = [Operating(float(price), view=view) for view in (None, *range(views)) for price in at]
    singles = [Operating(0.0, path) for path in on_frontier(means, mean_objective)]
    return (first, *routed, *singles)


def on_frontier(means: FloatArray, mean_objective: FloatArray) -> tuple[int, ...]:
    """The paths that span the frontier of single paths, the most accurate first."""
    points = np.stack([mean_objective, means], axis=1)
    corners = {tuple(corner) for corner in frontier(points).tolist()}
    return tuple(sorted((path for path, point in enumerate(points.tolist()) if tuple(point) in corners), key=lambda p: -means[p]))


def fair_price(replay: Replay, means: FloatArray, mean_objective: FloatArray) -> float | None:
    """The greatest price at which routing the profiled queries was as accurate as the best single path; None if at none.

    What a caller who names no price can be given: the savings that cost no accuracy.
    """
    best = int(means.argmax())
    at = prices(float(mean_objective[best]))
    fair = [float(price) for price in at if replay.gain(float(price), best, means)[0] >= 0]
    return max(fair, default=None)
