"""Ridge regressions averaged by their evidence, so that no strength has to be chosen where data are too few to tell.

A ridge is a Gaussian process with a linear kernel; its marginal likelihood says how well a strength and a set of features
explain the targets (Rasmussen and Williams, 2006, eq. 5.8). All targets are weighed together: one alone would say too little
where queries are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
STRENGTHS = np.geomspace(1e-2, 1e4, 19)
"""Variance of the noise over the variance of the signal; the last one leaves next to nothing of any signal."""


@dataclass(frozen=True, slots=True)
class Averaged:
    """`slopes` of shape (features, targets) for each set of features less its `centres`; `left_out` predicts the rows that
    were fitted, each without its own target, shape (rows, targets)."""

    centres: tuple[FloatArray, ...]
    slopes: tuple[FloatArray, ...]
    left_out: FloatArray

    def predict(self, features: Sequence[FloatArray]) -> FloatArray:
        """The sum over the sets of features of rows to predict."""
        parts = [(rows - centre) @ slopes for rows, centre, slopes in zip(features, self.centres, self.slopes, strict=True)]
        return np.asarray(sum(parts), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Regression:
    """The singular values of one set of features, and the targets seen along its left vectors."""

    left: FloatArray
    sizes: FloatArray
    right: FloatArray
    seen: FloatArray
    rest: FloatArray
    scale: float

    @classmethod
    def of(cls, features: FloatArray, targets: FloatArray) -> _Regression:
        left, sizes, right = _singular(features)
        seen = left.T @ targets
        rest = np.maximum((targets**2).sum(axis=0) - (seen**2).sum(axis=0), 0.0)
        return cls(left, sizes**2, right, seen, rest, float((sizes**2).sum() / len(features)))

    def evidence(self, strength: float) -> FloatArray:
        """Log marginal likelihood of each target with its own noise, up to a constant."""
        rows, penalty = len(self.left), strength * self.scale
        total = self.sizes + penalty
        noise = ((self.seen**2 / total[:, None]).sum(axis=0) + self.rest / penalty) / rows
        determinant = np.log(total).sum() + (rows - len(total)) * np.log(penalty)
        return np.asarray(-rows / 2 * np.log(np.maximum(noise, 1e-300)) - determinant / 2, dtype=np.float64)

    def slopes(self, weights: FloatArray) -> FloatArray:
        """Averaged over strengths with `weights` of shape (strengths,)."""
        inverse = np.sqrt(self.sizes)[:, None] / (self.sizes[:, None] + STRENGTHS * self.scale)
        return np.asarray(self.right.T @ ((inverse @ weights)[:, None] * self.seen), dtype=np.float64)

    def left_out(self, targets: FloatArray, weights: FloatArray) -> FloatArray:
        found = np.zeros_like(targets)
        for strength, weight in zip(STRENGTHS, weights, strict=True):
            kept = self.sizes / (self.sizes + strength * self.scale)
            own = ((self.left**2) @ kept + 1 / len(targets))[:, None]
            fitted = (self.left * kept) @ self.seen
            found += weight * np.where(own < 1 - 1e-9, (fitted - own * targets) / np.maximum(1 - own, 1e-9), 0.0)
        return found


def average(features: Sequence[FloatArray], targets: FloatArray) -> Averaged:
    """Fit `targets` of shape (rows, targets), with a mean of 0, to each of `features` alone and average by evidence.

    Features in which no row differs have nothing to say and get slopes of 0.
    """
    centres = tuple(each.mean(axis=0) for each in features)
    told = [float(((each - centre) ** 2).sum()) > 1e-9 * len(targets) for each, centre in zip(features, centres, strict=True)]
    parts = {i: _Regression.of(features[i] - centres[i], targets) for i in range(len(features)) if told[i]}
    slopes = [np.zeros((each.shape[1], targets.shape[1])) for each in features]
    left_out = np.zeros_like(targets)
    if not parts or not targets.any():
        return Averaged(centres, tuple(slopes), left_out)
    weights = _weights(np.array([part.evidence(strength) for part in parts.values() for strength in STRENGTHS]))
    for (place, part), weight in zip(parts.items(), np.split(weights, len(parts)), strict=True):
        slopes[place] = part.slopes(weight)
        left_out += part.left_out(targets, weight)
    return Averaged(centres, tuple(slopes), left_out)


def _singular(features: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A thin singular value decomposition without what is rounding error; by way of the smaller matrix of products."""
    wide = features.shape[0] < features.shape[1]
    squared, vectors = np.linalg.eigh(features @ features.T if wide else features.T @ features)
    kept = squared > 1e-10 * squared[-1]
    sizes, vectors = np.sqrt(squared[kept]), vectors[:, kept]
    others = (features.T if wide else features) @ vectors / sizes
    return (vectors, sizes, others.T) if wide else (others, sizes, vectors.T)


def _weights(evidence: FloatArray) -> FloatArray:
    """Of shape (models,) with a sum of 1, from evidence of shape (models, targets) that are held to be independent."""
    together = evidence.sum(axis=1)
    weights = np.exp(together - together.max())
    return np.asarray(weights / weights.sum(), dtype=np.float64)
