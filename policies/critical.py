"""Which stages matter for which queries (ECO-LLM's critical components; the rule is our completion)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def losses(accuracy: FloatArray, options: Sequence[Sequence[str]]) -> FloatArray:
    """What forbidding a stage's best option costs, shape (..., stages): best accuracy less the best without that option.

    `accuracy` of shape (..., paths) holds predictions or measurements, `options` each path's option per stage. A stage with
    one option costs 0, since there is nothing to choose; so does every stage where nothing was measured.
    """
    stages = len(options[0])
    result = np.zeros((*accuracy.shape[:-1], stages))
    for stage in range(stages):
        names = sorted({path[stage] for path in options})
        if len(names) < 2:
            continue
        of_path = np.array([names.index(path[stage]) for path in options])
        best = np.stack([_best(accuracy[..., of_path == option]) for option in range(len(names))], axis=-1)
        ordered = np.sort(best, axis=-1)
        known = np.isfinite(ordered[..., -2])
        result[..., stage] = np.where(known, ordered[..., -1] - np.where(known, ordered[..., -2], 0.0), 0.0)
    return result


def critical(accuracy: FloatArray, options: Sequence[Sequence[str]], tau: float) -> npt.NDArray[np.bool_]:
    """Stage j is critical if forbidding its best option costs more than `tau` of accuracy. Shape (..., stages)."""
    return np.asarray(losses(accuracy, options) > tau, dtype=np.bool_)


def _best(accuracy: FloatArray) -> FloatArray:
    return np.asarray(np.where(np.isnan(accuracy), -np.inf, accuracy).max(axis=-1), dtype=np.float64)
