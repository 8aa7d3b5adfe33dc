"""How one measure of every path varies from query to query: neighbours, a ridge or both, on few common axes.

Paths go up and down together, so residuals are predicted on their principal axes and every path borrows from all others.
The number of neighbours, the ridge's strength and the mixture are those with the least leave-one-out error; how far the
result is trusted is then fitted on its leave-one-out predictions: not at all if they do not agree with what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.complete import Completed
from policies.smoothers import NEIGHBOURS, STRENGTHS, Ridge, neighbours, neighbours_left_out, ridges

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
MOST_AXES = 24
MOST_TRUST = 1.5
SHARES = (0.0, 0.5, 1.0)
"""Of the neighbours in the mixture; the rest is the ridge's."""


@dataclass(frozen=True, slots=True)
class Surface:
    """`targets` of shape (queries, axes) are the residuals of `vectors` on `basis`, shape (axes, paths), trust included."""

    vectors: FloatArray
    targets: FloatArray
    number: int
    ridge: Ridge
    share: float
    basis: FloatArray

    def residuals(self, vectors: FloatArray) -> FloatArray:
        """How far each path is expected to be from its mean, shape (vectors, paths)."""
        near = neighbours(self.vectors, self.targets, vectors, (self.number,))[0]
        predicted: FloatArray = _mixed(near, self.ridge.predict(vectors), self.share) @ self.basis
        return predicted


@dataclass(frozen=True, slots=True)
class Fit:
    """A surface, and what it says of each profiled query when that one is left out, shape (queries, paths)."""

    surface: Surface
    left_out: FloatArray


def fit_surface(vectors: FloatArray, completed: Completed, weights: FloatArray, *, differences: bool) -> Fit:
    """Fit the residuals of `completed`. `weights` of shape (queries,) are how often each query was asked.

    With `differences` errors count after subtracting each query's mean, as for accuracy, where only the order of paths
    matters, and trust is one factor; otherwise each path has its own.
    """
    residuals = completed.residuals
    basis = _axes(residuals, weights)
    targets = residuals @ basis.T
    judge = _Judge(residuals, completed.observed, weights, differences)
    near = neighbours_left_out(vectors, targets, NEIGHBOURS)
    which = judge.best([means @ basis for means in near])
    fits = ridges(vectors, targets, STRENGTHS)
    ridge, own = fits[judge.best([left_out @ basis for _, left_out in fits])]
    mixtures = [_mixed(near[which], own, share) @ basis for share in SHARES]
    share = judge.best(mixtures)
    left_out = mixtures[share]
    trust = judge.trust(left_out)
    number = min(NEIGHBOURS[which], len(vectors))
    surface = Surface(vectors, targets, number, ridge, SHARES[share], basis * trust)
    return Fit(surface, left_out * trust)


def _mixed(near: FloatArray, ridge: FloatArray, share: float) -> FloatArray:
    return share * near + (1 - share) * ridge


def _axes(residuals: FloatArray, weights: FloatArray) -> FloatArray:
    """Principal axes of the residuals, shape (axes, paths), the strongest first."""
    centred = (residuals - np.average(residuals, axis=0, weights=weights)) * np.sqrt(weights)[:, None]
    if len(centred) < centred.shape[1]:
        return np.asarray(np.linalg.svd(centred, full_matrices=False)[2][:MOST_AXES], dtype=np.float64)
    return np.asarray(np.linalg.eigh(centred.T @ centred)[1].T[::-1][:MOST_AXES], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Judge:
    """Compares leave-one-out predictions with what was observed; missing cells do not count."""

    residuals: FloatArray
    observed: BoolArray
    weights: FloatArray
    differences: bool

    def best(self, candidates: list[FloatArray]) -> int:
        """The candidate with the least squared error."""
        truth = self._comparable(self.residuals)
        errors = [float(((self._comparable(each) - truth) ** 2).sum(axis=1) @ self.weights) for each in candidates]
        return int(np.argmin(errors))

    def trust(self, predicted: FloatArray) -> FloatArray:
        """The least squares factor from predictions to measurements, shape (1,) or (paths,)."""
        said, truth = self._comparable(predicted), self._comparable(self.residuals)
        agreement, size = said * truth * self.weights[:, None], said**2 * self.weights[:, None]
        if self.differences:
            agreement, size = agreement.sum(axis=1, keepdims=True), size.sum(axis=1, keepdims=True)
        factor = agreement.sum(axis=0) / np.maximum(size.sum(axis=0), 1e-12)
        return np.asarray(np.clip(factor, 0.0, MOST_TRUST), dtype=np.float64)

    def _comparable(self, values: FloatArray) -> FloatArray:
        seen = np.where(self.observed, values, 0.0)
        if not self.differences:
            return seen
        mean = seen.sum(axis=1, keepdims=True) / np.maximum(self.observed.sum(axis=1, keepdims=True), 1)
        return np.where(self.observed, seen - mean, 0.0)
