"""How one measure of every path varies from query to query, on few axes that all paths have in common.

Paths go up and down together, so residuals are predicted on their principal axes and every path borrows from all others.
Three views of a query are averaged: a plane over its sentence vector, a smooth surface over likeness to landmarks, and the
mean of its nearest profiled queries. None wins everywhere; their errors differ, so the mean of them loses nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from policies.bend import Bend, fit_bend
from policies.complete import Completed
from policies.evidence import Averaged, average
from policies.sight import Seen

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
MOST_LANDMARKS = 256
NEIGHBOURS = 100
FORM = 0.6
"""How much the form of a query counts beside its meaning, where the evidence is for seeing it at all."""
WIDTH = 0.35
"""Of the smooth surface, in squared distance between unit vectors over two."""
_FOLDS = 5
_FEW = 40
"""Queries: with fewer, a bend has about as many terms as it has predictions to learn from, and goes far astray."""
_BLOCK = 512  # rows of a distance matrix held at once


@dataclass(frozen=True, slots=True)
class Surface:
    """Residuals of `known` queries on `basis` of shape (axes, paths): `targets` of shape (queries, axes).

    What the views say on the axes, alone or together, is corrected by `bend` if there is one.
    `landmarks` are places in `known`; `whiten` of shape (landmarks, landmarks) turns likeness to them into features, once
    without and once with the form of a query.
    """

    known: Seen
    targets: FloatArray
    basis: FloatArray
    number: int
    landmarks: IntArray
    whiten: tuple[FloatArray, FloatArray]
    plane: Averaged
    smooth: Averaged
    bend: Bend | None = None

    def residuals(self, queries: Seen) -> FloatArray:
        """How far each path is expected to be from its mean, shape (queries, paths): the mean of the views."""
        return self._onto_paths(self._on_axes(queries).mean(axis=0))

    def views(self, queries: Seen) -> FloatArray:
        """The same by each view alone, shape (views, queries, paths): plane, smooth surface, neighbours."""
        return self._onto_paths(self._on_axes(queries))

    def _on_axes(self, queries: Seen) -> FloatArray:
        near = np.empty((len(queries.axes), len(self.basis)))
        for start in range(0, len(near), _BLOCK):
            rows = slice(start, start + _BLOCK)
            near[rows] = self._near(queries.axes[rows])
        plane = self.plane.predict(planes(queries))
        smooth = self.smooth.predict(smooths(queries, self.known.rows(self.landmarks), self.whiten))
        return np.stack([plane, smooth, near])

    def _onto_paths(self, axes: FloatArray) -> FloatArray:
        return np.asarray((axes if self.bend is None else self.bend.of(axes)) @ self.basis, dtype=np.float64)

    def _without_fold(self, weights: FloatArray) -> FloatArray:
        """Each profiled query's place on the axes by what those of other folds teach, shape (queries, axes).

        Leaving out one query alone will not do here: the mean of all others tells its own outcome, only the other way round.
        """
        found = np.empty_like(self.targets)
        fold = np.arange(len(found)) % _FOLDS
        for out in range(_FOLDS):
            rest, own = np.flatnonzero(fold != out), np.flatnonzero(fold == out)
            learnt = _learn(self.known.rows(rest), self.targets[rest], self.basis, weights[rest])
            found[own] = learnt._on_axes(self.known.rows(own)).mean(axis=0)
        return found

    def _near(self, axes: FloatArray) -> FloatArray:
        return _nearest_means(squares(axes, self.known.axes), self.targets, self.number)


@dataclass(frozen=True, slots=True)
class Fit:
    """A surface, and what it says of each profiled query when that one is left out, shape (queries, paths)."""

    surface: Surface
    left_out: FloatArray


def fit_surface(known: Seen, completed: Completed, weights: FloatArray, axes: int) -> Fit:
    """Fit the residuals of `completed` on as many `axes`. `weights` of shape (queries,) are how often each query was asked."""
    basis = _strongest(completed.residuals, weights)[:axes]
    surface = _learn(known, completed.residuals @ basis.T, basis, weights)
    near = near_left_out(known.axes, surface.targets, surface.number)
    return Fit(surface, (surface.plane.left_out + surface.smooth.left_out + near) / 3 @ basis)


def bent(fit: Fit, measured: Completed, weights: FloatArray) -> Fit:
    """`fit` with a bend, by all measured cells; as it is where queries are too few."""
    surface = fit.surface
    if len(weights) < _FEW:
        return fit
    predicted, onto_axes = surface._without_fold(weights), np.linalg.pinv(surface.basis)
    apart = np.where(measured.observed, measured.residuals - predicted @ surface.basis, 0.0) @ onto_axes
    bend = fit_bend(predicted, apart)
    return Fit(replace(surface, bend=bend), bend.of(fit.left_out @ onto_axes) @ surface.basis)


def _learn(known: Seen, targets: FloatArray, basis: FloatArray, weights: FloatArray) -> Surface:
    number = neighbours_for(weights)
    landmarks = landmarks_of(len(targets))
    middle = known.rows(landmarks)
    whiten = whitenings(middle)
    centred = targets - targets.mean(axis=0)
    plane = average(planes(known), centred)
    smooth = average(smooths(known, middle, whiten), centred)
    return Surface(known, targets, basis, number, landmarks, whiten, plane, smooth)


def neighbours_for(weights: FloatArray) -> int:
    """As many queries as hold a hundred measurements, but no more than half of all."""
    return max(1, min(round(NEIGHBOURS * len(weights) / float(weights.sum())), len(weights) // 2))


def landmarks_of(queries: int) -> IntArray:
    """Places of the landmarks among as many queries."""
    return np.unique(np.linspace(0, queries - 1, MOST_LANDMARKS).astype(np.intp))


def whitenings(middle: Seen) -> tuple[FloatArray, FloatArray]:
    """What turns likeness to the landmarks `middle` into features, without and with the form."""
    return _whitening(_likeness(middle, middle, 0.0)), _whitening(_likeness(middle, middle, FORM))


def planes(queries: Seen) -> tuple[FloatArray, FloatArray]:
    """The features of the plane: the vector, and the vector with the form."""
    return queries.plain, np.hstack([queries.plain, FORM * queries.form])


def squares(left: FloatArray, right: FloatArray) -> FloatArray:
    """Squared distances, shape (left, right)."""
    found: FloatArray = (left**2).sum(axis=1)[:, None] - 2 * left @ right.T + (right**2).sum(axis=1)[None, :]
    return np.maximum(found, 0.0)


def smooths(queries: Seen, landmarks: Seen, whiten: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """The features of the smooth surface, without and with the form."""
    plain, formed = whiten
    return _likeness(queries, landmarks, 0.0) @ plain, _likeness(queries, landmarks, FORM) @ formed


def _likeness(queries: Seen, others: Seen, form: float) -> FloatArray:
    distances = squares(queries.axes, others.axes)
    if form:
        distances += form**2 * squares(queries.form, others.form)
    return np.asarray(np.exp(-distances / (2 * WIDTH)), dtype=np.float64)


def _whitening(likeness: FloatArray) -> FloatArray:
    """The inverse root of likeness among landmarks (Nyström: Williams and Seeger, 2001), without its rounding errors."""
    sizes, vectors = np.linalg.eigh(likeness)
    kept = sizes > 1e-8 * sizes[-1]
    return np.asarray(vectors[:, kept] / np.sqrt(sizes[kept]), dtype=np.float64)


def near_left_out(axes: FloatArray, targets: FloatArray, number: int) -> FloatArray:
    """Mean of the targets of the `number` nearest other queries, shape (queries, axes)."""
    if len(axes) < 2:
        return np.zeros_like(targets)
    found = np.empty_like(targets)
    for start in range(0, len(axes), _BLOCK):
        distances = squares(axes[start : start + _BLOCK], axes)
        distances[np.arange(len(distances)), np.arange(start, start + len(distances))] = np.inf
        found[start : start + _BLOCK] = _nearest_means(distances, targets, number)
    return found


def _nearest_means(distances: FloatArray, targets: FloatArray, number: int) -> FloatArray:
    nearest = np.argpartition(distances, number - 1, axis=1)[:, :number]
    means: FloatArray = targets[nearest].mean(axis=1)
    return means


def _strongest(residuals: FloatArray, weights: FloatArray) -> FloatArray:
    """Principal axes of the residuals, shape (axes, paths), the strongest first."""
    centred = (residuals - np.average(residuals, axis=0, weights=weights)) * np.sqrt(weights)[:, None]
    if len(centred) < centred.shape[1]:
        return np.asarray(np.linalg.svd(centred, full_matrices=False)[2], dtype=np.float64)
    return np.asarray(np.linalg.eigh(centred.T @ centred)[1].T[::-1], dtype=np.float64)
