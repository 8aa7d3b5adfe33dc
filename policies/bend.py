"""What sums leave out: where a query is easy for all paths, they differ less than sums of its axes say.

Accuracy is a probability, and paths come near 1 together. So predictions are corrected by themselves and, to second order, by
products of their strongest axes, as predictions for queries that were not learnt from show (stacking: Wolpert, 1992).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.evidence import average

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
CURVED = 3  # of the strongest axes are multiplied with each other
_ROUNDING = 1e-6  # of the largest spread: a term that differs less between queries tells nothing


@dataclass(frozen=True, slots=True)
class Bend:
    """To axes are added `offset`, of shape (axes,), and their terms times `slopes`, of shape (terms, axes)."""

    slopes: FloatArray
    offset: FloatArray

    def of(self, axes: FloatArray) -> FloatArray:
        """`axes` of shape (..., axes), corrected."""
        return np.asarray(axes + self.offset + _terms(axes) @ self.slopes, dtype=np.float64)


def fit_bend(predicted: FloatArray, apart: FloatArray) -> Bend:
    """Learn from axes `predicted` for queries that were not learnt from, and how far `apart` from them the queries turned out to
    be, both of shape (queries, axes)."""
    terms = _terms(predicted)
    centre, spread = terms.mean(axis=0), terms.std(axis=0)
    scale = np.where(spread > _ROUNDING * spread.max(), spread, np.inf)
    slopes = average(((terms - centre) / scale,), apart - apart.mean(axis=0)).slopes[0] / scale[:, None]
    return Bend(slopes, -centre @ slopes)


def pairs(axes: int) -> tuple[IntArray, IntArray]:
    """The places of both factors of each product, shape (products,)."""
    return np.triu_indices(min(CURVED, axes))


def _terms(axes: FloatArray) -> FloatArray:
    first, second = pairs(axes.shape[-1])
    return np.concatenate([axes, axes[..., first] * axes[..., second]], axis=-1)
