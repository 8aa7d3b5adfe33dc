"""Where a router may be run: at each price of the objective it routes, or takes one path for all, as the profile supports.

Routing has to prove itself on the profile with every query's own measurements left out. Where it does not, the best single
path is taken, so that on data without signal the router is never worse than that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.measured import Measured

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Operating:
    """One way to run: at `price`, route if `single` is None, else always take that path."""

    price: float
    single: int | None


def prices(scale: float) -> FloatArray:
    """Prices from nothing to everything, for objectives of about `scale`, in accuracy per unit of the objective."""
    return np.concatenate(([0.0], np.geomspace(3e-4, 30.0, 100), [1e6])) / max(scale, 1e-300)


def operating_points(
    profiled: Measured, left_out: Measured, means: FloatArray, mean_objective: FloatArray, at: FloatArray
) -> tuple[Operating, ...]:
    """What to run at each price of `at`, the first being the best at the first price.

    `profiled` are the training measurements, `left_out` the leave-one-out predictions of the same cells, `means` and
    `mean_objective` of shape (paths,). A difference in utility below two standard errors decides nothing: both stay.
    """
    chosen: list[Operating] = []
    for price in at:
        path = int(np.argmax(means - price * mean_objective))
        routed = profiled.outcomes(profiled.choose(left_out.accuracy - price * left_out.objective))
        fixed = profiled.outcomes(profiled.single(path, means))
        gain = (routed[1] - fixed[1]) - price * (routed[0] - fixed[0])
        error = 2 * float(gain.std() / np.sqrt(len(gain)))
        if gain.mean() <= error:
            chosen.append(Operating(float(price), path))
        if gain.mean() > -error:
            chosen.append(Operating(float(price), None))
    return tuple(chosen)
