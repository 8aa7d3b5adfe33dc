"""Search for the best path when each evaluation is dear: Bayesian optimisation over the stages' options.

A Gaussian process whose kernel falls with the number of stages in which two paths differ: paths that share options are
expected to do alike, so a few evaluations tell of many. How fast it falls, and how much of it is a sum over the stages instead of
a product, is what explains the evaluations best. Only the order of the scores counts, since one disastrous path would
otherwise set the scale on which all good ones are equal. The next path has the highest mean plus half a standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
FIRST = 5  # evaluations spread over the space before a model is asked
_REACHES = (0.3, 0.5, 0.7, 0.85, 0.95)  # correlation of two paths that differ in one stage
_SUMS = (0.0, 0.5, 0.9)  # share of the variance that is a sum of one effect per option
_NOISE = 0.05  # variance of an evaluation, in units of the variance between paths
_CURIOSITY = 0.5  # standard deviations


def next_path(options: Sequence[Sequence[str]], tried: Sequence[int], scores: Sequence[float], rng: np.random.Generator) -> int:
    """The path to evaluate next. `scores` belong to `tried`; higher is better. Raises ValueError if all were tried."""
    left = np.setdiff1d(np.arange(len(options)), tried)
    if len(left) == 0:
        raise ValueError(f"all {len(options)} paths were tried")
    differing = _differing(options)
    if len(tried) < FIRST:
        nearest = differing[left][:, list(tried)].min(axis=1) if tried else np.zeros(len(left))
        return int(rng.choice(left[nearest == nearest.max()]))
    mean, deviation = _posterior(differing, len(options[0]), np.asarray(tried), _normal_scores(scores), left)
    bound = mean + _CURIOSITY * deviation
    return int(rng.choice(left[bound >= bound.max() - 1e-12]))


def _normal_scores(scores: Sequence[float]) -> FloatArray:
    """What a sample of the normal distribution of this size would have at each score's rank, with variance 1; ties share one."""
    _, places, counts = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2)[places] / len(places)
    values = np.array([NormalDist().inv_cdf(float(rank)) for rank in ranks])
    return np.asarray((values - values.mean()) / (float(values.std()) or 1.0))


def _differing(options: Sequence[Sequence[str]]) -> FloatArray:
    """In how many stages two paths differ, shape (paths, paths)."""
    count = np.zeros((len(options), len(options)))
    for stage in range(len(options[0])):
        _, of_path = np.unique([path[stage] for path in options], return_inverse=True)
        count += of_path[:, None] != of_path[None, :]
    return count


def _posterior(
    differing: FloatArray, stages: int, tried: npt.NDArray[np.intp], values: FloatArray, left: npt.NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation of the paths `left`, under the kernel with the highest marginal likelihood."""
    likest = -math.inf
    alike = 1 - differing / stages
    for reach, share in product(_REACHES, _SUMS):
        kernel = (1 - share) * reach**differing + share * alike
        factor = np.linalg.cholesky(kernel[np.ix_(tried, tried)] + _NOISE * np.eye(len(tried)))
        white = np.linalg.solve(factor, values)
        likelihood = -0.5 * float(white @ white) - float(np.log(np.diag(factor)).sum())
        if likelihood > likest:
            likest = likelihood
            across = np.linalg.solve(factor, kernel[np.ix_(tried, left)])
            mean, deviation = across.T @ white, np.sqrt(np.maximum(1 - (across**2).sum(axis=0), 1e-12))
    return mean, deviation
