"""What a caller who names no price is given: the savings that cost no accuracy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from policies.operate import Replay, prices

FloatArray = npt.NDArray[np.float64]
SAFE = 1.0
"""Standard errors by which routing must lead the best single path on the profiled queries at the price that is given."""


def safe_price(replay: Replay, means: FloatArray, mean_objective: FloatArray) -> float:
    """The price, in accuracy per unit of the objective, up to which routing leads the path with the best of `means` by `SAFE`
    standard errors; 0 if it does at none. Every profiled query is routed without its own measurements."""
    best = int(means.argmax())
    safe = 0.0
    for price in prices(float(mean_objective[best])):
        gain, error = replay.gain(float(price), best, means)
        if gain < SAFE * error:
            break
        safe = float(price)
    return safe
