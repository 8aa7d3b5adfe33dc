"""Linear smoothers: predictions as weighted means of what like queries did, with exact leave-one-out versions.

The leave-one-out predictions of the profiled queries choose every strength, so nothing is tuned by hand or on other data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
NEIGHBOURS = (10, 30, 100, 300)
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)
_BLOCK = 512  # rows of the similarity matrix held at once


@dataclass(frozen=True, slots=True)
class Ridge:
    """Linear regression on the vectors; `slopes` of shape (width, targets) act on vectors less `centre`."""

    centre: FloatArray
    slopes: FloatArray
    offset: FloatArray

    def predict(self, vectors: FloatArray) -> FloatArray:
        predicted: FloatArray = (vectors - self.centre) @ self.slopes + self.offset
        return predicted


def neighbours(vectors: FloatArray, targets: FloatArray, queries: FloatArray, numbers: tuple[int, ...]) -> list[FloatArray]:
    """Means of `targets` over the most similar `vectors` of each query, once per number of neighbours."""
    return _neighbours(vectors, targets, queries, numbers, leave_out=False)


def neighbours_left_out(vectors: FloatArray, targets: FloatArray, numbers: tuple[int, ...]) -> list[FloatArray]:
    """The same for the `vectors` themselves, each without its own target."""
    return _neighbours(vectors, targets, vectors, numbers, leave_out=True)


def ridges(vectors: FloatArray, targets: FloatArray, strengths: tuple[float, ...]) -> list[tuple[Ridge, FloatArray]]:
    """Per strength the fitted ridge and its leave-one-out predictions, from one singular value decomposition.

    The penalty is strength × √queries: as many times the noise of a sum over unit vectors. It does not depend on the
    vectors' spread, so that vectors that hardly differ (long prompts with one beginning) predict nothing.
    """
    centre, offset = vectors.mean(axis=0), targets.mean(axis=0)
    left, sizes, right = np.linalg.svd(vectors - centre, full_matrices=False)
    projected = left.T @ (targets - offset)
    fits = []
    for strength in strengths:
        penalty = strength * np.sqrt(len(vectors))
        kept = sizes**2 / (sizes**2 + penalty)
        slopes = right.T @ ((sizes / (sizes**2 + penalty))[:, None] * projected)
        fitted = (left * kept) @ projected + offset
        leverage = ((left**2) @ kept + 1 / len(vectors))[:, None]
        own = np.where(leverage < 1 - 1e-9, (fitted - leverage * targets) / np.maximum(1 - leverage, 1e-9), offset)
        fits.append((Ridge(centre, slopes, offset), own))
    return fits


def _neighbours(
    vectors: FloatArray, targets: FloatArray, queries: FloatArray, numbers: tuple[int, ...], leave_out: bool
) -> list[FloatArray]:
    most = len(vectors) - leave_out
    if most == 0:
        return [np.zeros((len(queries), targets.shape[1])) for _ in numbers]
    found = [np.empty((len(queries), targets.shape[1])) for _ in numbers]
    for start in range(0, len(queries), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(queries)))
        likeness = queries[rows] @ vectors.T
        if leave_out:
            likeness[np.arange(len(likeness)), np.arange(rows.start, rows.stop)] = -np.inf
        for number, means in zip(numbers, found, strict=True):
            chosen = min(number, most)
            nearest = np.argpartition(-likeness, chosen - 1, axis=1)[:, :chosen]
            means[rows] = targets[nearest].mean(axis=1)
    return found
