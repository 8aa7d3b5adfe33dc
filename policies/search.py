"""Search for the best path when each evaluation is dear: Bayesian optimisation over the stages' options.

A Gaussian process whose kernel falls with the number of stages in which two paths differ: paths that share options are
expected to do alike, so a few evaluations tell of many. The next path is the one with the highest expected improvement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
FIRST = 5  # evaluations spread over the space before a model is asked
_REACHES = (0.3, 0.5, 0.7, 0.85, 0.95)  # correlation of two paths that differ in one stage
_NOISE = 1e-3  # variance of an evaluation, in units of the variance between paths


def next_path(options: Sequence[Sequence[str]], tried: Sequence[int], scores: Sequence[float], rng: np.random.Generator) -> int:
    """The path to evaluate next. `scores` belong to `tried`; higher is better. Raises ValueError if all were tried."""
    left = np.setdiff1d(np.arange(len(options)), tried)
    if len(left) == 0:
        raise ValueError(f"all {len(options)} paths were tried")
    differing = _differing(options)
    if len(tried) < FIRST:
        nearest = differing[np.ix_(left, list(tried))].min(axis=1) if tried else np.zeros(len(left))
        return int(rng.choice(left[nearest == nearest.max()]))
    values = np.asarray(scores, dtype=np.float64)
    spread = float(values.std()) or 1.0
    mean, deviation = _posterior(differing, np.asarray(tried), (values - values.mean()) / spread, left)
    improvement = _expected_improvement(mean, deviation, float((values.max() - values.mean()) / spread))
    return int(rng.choice(left[improvement >= improvement.max() - 1e-12]))


def _differing(options: Sequence[Sequence[str]]) -> FloatArray:
    """In how many stages two paths differ, shape (paths, paths)."""
    count = np.zeros((len(options), len(options)))
    for stage in range(len(options[0])):
        _, of_path = np.unique([path[stage] for path in options], return_inverse=True)
        count += of_path[:, None] != of_path[None, :]
    return count


def _posterior(
    differing: FloatArray, tried: npt.NDArray[np.intp], values: FloatArray, left: npt.NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation of the paths `left`, under the reach with the highest marginal likelihood."""
    best, chosen = -math.inf, (_REACHES[0], np.empty(0), np.empty((0, 0)))
    for reach in _REACHES:
        kernel = reach ** differing[np.ix_(tried, tried)] + _NOISE * np.eye(len(tried))
        factor = np.linalg.cholesky(kernel)
        white = np.linalg.solve(factor, values)
        likelihood = -0.5 * float(white @ white) - float(np.log(np.diag(factor)).sum())
        if likelihood > best:
            best, chosen = likelihood, (reach, white, factor)
    reach, white, factor = chosen
    across = np.linalg.solve(factor, reach ** differing[np.ix_(tried, left)])
    return across.T @ white, np.sqrt(np.maximum(1 - (across**2).sum(axis=0), 1e-12))


def _expected_improvement(mean: FloatArray, deviation: FloatArray, best: float) -> FloatArray:
    """E[max(value - best, 0)] of normal values (Jones, Schonlau and Welch, 1998)."""
    scaled = (mean - best) / deviation
    density = np.exp(-(scaled**2) / 2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in scaled])
    improvement: FloatArray = deviation * (scaled * below + density)
    return improvement
