"""Regressions on single cells of a sparse table, averaged by their evidence as `policies.evidence` does for full rows.

Residuals are a Gaussian process over query × path with covariance D ∘ (ρ K + (1 - ρ) I): paths go together as D says for every
query alike, queries as their features say, and the text tells a share ρ of it (multi-task Gaussian processes: Bonilla, Chai and
Williams, 2008). Only measured cells enter, so nothing has to be filled in, and a query counts by what its cells tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.complete import Completed
from policies.evidence import Averaged

FloatArray = npt.NDArray[np.float64]
SHARES = np.concatenate([[1e-3], np.geomspace(0.01, 0.7, 12)])
"""Of what sets queries apart that their text may tell; the first one leaves next to nothing for the text to tell."""
MOST_FEATURES = 24
"""Principal components of the features that are kept. What sparse tables can tell is smooth."""
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Told:
    """What each query's cells tell about its place on `basis` of shape (axes, paths), were ρ = 0.

    With V the covariance of the measured cells y, and U the basis in those cells: `scores` U V⁻¹ y of shape (queries, axes),
    `information` U V⁻¹ Uᵀ of shape (queries, axes, axes). `prior` is the covariance of the axes, `size` the sum of y V⁻¹ y over
    the queries and `cells` their number.
    """

    covariance: FloatArray
    basis: FloatArray
    prior: FloatArray
    scores: FloatArray
    information: FloatArray
    size: float
    cells: int

    @classmethod
    def of(cls, completed: Completed, covariance: FloatArray, basis: FloatArray) -> Told:
        axes, queries = len(basis), len(completed.residuals)
        scores, information = np.zeros((queries, axes)), np.zeros((queries, axes, axes))
        size = 0.0
        for query, seen in enumerate(completed.observed):
            found, own = completed.residuals[query, seen], basis[:, seen]
            solved = np.linalg.solve(covariance[np.ix_(seen, seen)], np.column_stack([found, own.T]))
            scores[query], information[query] = own @ solved[:, 0], own @ solved[:, 1:]
            size += float(found @ solved[:, 0])
        prior = basis @ covariance @ basis.T
        return cls(covariance, basis, prior, scores, information, size, int(completed.observed.sum()))

    def places(self, completed: Completed, expected: FloatArray) -> FloatArray:
        """Where on the axes queries are, shape (queries, axes), given their cells and what is `expected` of them before."""
        found, onto = expected.copy(), self.basis @ self.covariance
        for query, seen in enumerate(completed.observed):
            left = completed.residuals[query, seen] - expected[query] @ self.basis[:, seen]
            found[query] += onto[:, seen] @ np.linalg.solve(self.covariance[np.ix_(seen, seen)], left)
        return found


@dataclass(frozen=True, slots=True)
class _Regression:
    """One set of features: `onto` leads to their components, `rows` of shape (queries, components). `sizes` and `vectors` are
    the eigenvalues of what all cells tell about the weights, and `seen` the scores along them."""

    centre: FloatArray
    onto: FloatArray
    rows: FloatArray
    sizes: FloatArray
    vectors: FloatArray
    seen: FloatArray

    @classmethod
    def of(cls, features: FloatArray, scores: FloatArray, information: FloatArray) -> _Regression | None:
        """None if the features do not differ. `scores` and `information` are in units of the prior."""
        centre = features.mean(axis=0)
        onto = _components(features - centre)
        if onto.shape[1] == 0:
            return None
        rows = (features - centre) @ onto
        queries, components = rows.shape
        axes = scores.shape[1]
        products = (rows[:, :, None] * rows[:, None, :]).reshape(queries, -1)
        gram = (products.T @ information.reshape(queries, -1)).reshape(components, components, axes, axes)
        gram = gram.transpose(0, 2, 1, 3).reshape(components * axes, -1)
        sizes, vectors = np.linalg.eigh(gram)
        return cls(centre, onto, rows, np.maximum(sizes, 0.0), vectors, vectors.T @ (rows.T @ scores).reshape(-1))

    def evidence(self, share: float, size: float, cells: int) -> float:
        """Log marginal likelihood of a share ρ, up to a constant."""
        odds = share / (1 - share)
        told = float((self.seen**2 * odds / (1 + odds * self.sizes)).sum())
        return -0.5 * float((size - told) / (1 - share) + np.log1p(odds * self.sizes).sum() + cells * np.log(1 - share))

    def slopes(self, kept: FloatArray) -> FloatArray:
        """From components to axes; `kept` of shape (sizes,) is the posterior variance of the weights along their vectors."""
        found: FloatArray = (self.vectors @ (kept * self.seen)).reshape(self.rows.shape[1], -1)
        return found

    def left_out(self, kept: FloatArray, scores: FloatArray, information: FloatArray) -> FloatArray:
        """Predicted places on the axes of each query without its own cells, which are taken away from the posterior."""
        queries, components = self.rows.shape
        axes = scores.shape[1]
        doubt = ((self.vectors * kept) @ self.vectors.T).reshape(components, axes, components, axes)
        products = (self.rows[:, :, None] * self.rows[:, None, :]).reshape(queries, -1)
        own = (products @ doubt.transpose(0, 2, 1, 3).reshape(components**2, -1)).reshape(queries, axes, axes)
        fitted = self.rows @ self.slopes(kept)
        without = fitted - np.einsum("qab,qb->qa", own, scores)
        return np.asarray(np.linalg.solve(np.eye(axes) - own @ information, without[:, :, None])[:, :, 0], dtype=np.float64)


def average_cells(features: Sequence[FloatArray], told: Told) -> Averaged:
    """Fit what was `told` to each of `features` alone, and average over them and the shares ρ by evidence."""
    root = np.linalg.cholesky(told.prior + _TINY * np.trace(told.prior) / len(told.prior) * np.eye(len(told.prior)))
    scores, information = told.scores @ root, root.T @ told.information @ root
    found = {place: _Regression.of(each, scores, information) for place, each in enumerate(features)}
    parts = {place: part for place, part in found.items() if part is not None}
    evidence = np.array([[part.evidence(share, told.size, told.cells) for share in SHARES] for part in parts.values()])
    weights = np.exp(evidence - evidence.max(initial=-np.inf))
    weights /= max(float(weights.sum()), _TINY)
    slopes, left_out = [np.zeros((each.shape[1], len(root))) for each in features], np.zeros_like(scores)
    odds = SHARES / (1 - SHARES)
    for (place, part), weight in zip(parts.items(), weights, strict=True):
        kept = (odds / (1 + part.sizes[:, None] * odds)) @ weight
        slopes[place] = part.onto @ part.slopes(kept) @ root.T
        left_out += part.left_out(kept, scores, information) @ root.T
    return Averaged(tuple(each.mean(axis=0) for each in features), tuple(slopes), left_out)


def _components(centred: FloatArray) -> FloatArray:
    """Onto the principal components, so scaled that a row has a squared length of 1 on average."""
    sizes, vectors = np.linalg.eigh(centred.T @ centred)
    sizes, vectors = sizes[::-1][:MOST_FEATURES], vectors[:, ::-1][:, :MOST_FEATURES]
    kept = sizes > _TINY * len(centred)
    return np.asarray(
        vectors[:, kept] / np.sqrt(sizes[kept].sum() / len(centred)) if kept.any() else vectors[:, :0], dtype=np.float64
    )
