"""The forecast for one query, fast: what a gateway asks between the embedding and the choice.

The same numbers as `Predictor` gives, arranged for one query at a time in 32 bits. A decision is a few products of a vector
and a matrix, so everything that can be known beforehand is a row or a column of one of four matrices:
query → look (what it is compared by) and what all planes say → likeness to profiled queries → axes → paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from policies.bend import pairs
from policies.forecast import AXES, Forecast
from policies.predict import Measure, Predictor
from policies.shape import TRAITS, shape_of
from policies.sight import FAR, Seen, Sight
from policies.surface import FORM, WIDTH, Surface

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.intp]
_LIKE, _FORMED = -1 / (2 * WIDTH), -(FORM**2) / (2 * WIDTH)  # by which squared distances become exponents
_LINE = 64  # bytes of a cache line
_ROUNDING = 1e-5  # of a squared distance in 32 bits
_VIEWS = 3  # that are averaged


class Forecaster:
    """Immutable once made, so that many threads share it; a new profile makes a new one."""

    def __init__(self, predictor: Predictor) -> None:
        costs = [predictor.costs.get(axis) for axis in AXES]
        measures = _rooms(predictor.accuracy, costs)
        first, sight = predictor.accuracy.fit.surface, predictor.sight
        order = _landmarks_first(first)
        self._low, self._high = _single(sight.mean - FAR * sight.scale), _single(sight.mean + FAR * sight.scale)
        self._own = sight.rotation.shape[1]
        self._look = self._own + TRAITS + 4
        self._query = _single(_scaling(sight) @ np.hstack([_look(sight), *(_planes(room, sight) for room in measures)]))
        self._profiled = _single(_exponents(first.known.rows(order), len(first.landmarks)).T)
        self._likened = 2 * len(first.landmarks)
        self._smooth = _single(np.hstack([_smooth(room, len(first.landmarks)) for room in measures]))
        near = np.hstack([_targets(room, len(first.targets)) for room in measures])
        self._near = _single(near[order] / (_VIEWS * first.number))
        self._one = np.ones(1, dtype=np.float32)
        self._number, self._ones = first.number, np.ones(first.number, dtype=np.float32)
        paths = [_paths(room, first.basis.shape[1]) for room in measures]
        self._accuracies, self._costs = _single(paths[0]), _single(np.stack(paths[1:]))
        self._of_accuracy = len(self._accuracies)
        self._apart = (len(self._costs), 1, self._costs.shape[1])
        self._factors = pairs(measures[0].axes) if measures[0].products else None
        self._products = slice(measures[0].axes + 1, self._of_accuracy)
        self._whole = _single((first.known.plain + sight.centre)[order])
        self._familiar = predictor.familiar + _ROUNDING
        nothing = np.full(len(predictor.accuracy.means), np.nan)
        self._late = _single(np.stack([measure.spread if measure else nothing for measure in costs]))
        levels = _single(np.stack([measure.level if measure else nothing for measure in (predictor.accuracy, *costs)]))
        self._strange = _forecast(levels[0], levels[1:], self._late, familiar=False)
        for values in self._strange[:-1]:
            values.setflags(write=False)  # since all unfamiliar queries share them

    def forecast(self, vector: Float32Array, text: str) -> Forecast:
        """What to expect of every path for the query `text` with this unit vector, shape (width,).

        Of a query unlike all profiled ones nothing is known but what each path does on the whole: that is the safe default.
        """
        traits = np.maximum(np.minimum(np.array(shape_of(text), dtype=np.float32), self._high), self._low)
        seen = np.concatenate((vector, traits, self._one)).dot(self._query)
        look, own, form = seen[: self._look], seen[: self._own], seen[self._own : self._own + TRAITS]
        look[-3], look[-2] = own.dot(own), form.dot(form)
        likeness = look.dot(self._profiled)
        plain = likeness[self._likened // 2 :]
        apart = vector - self._whole[plain.argmax()]  # not on the axes, where queries of another kind all lie near the centre
        if not apart.dot(apart) <= self._familiar:
            return self._strange
        axes = self._ones.dot(self._near.take(self._nearest(plain), axis=0))
        axes += seen[self._look :]
        liked = likeness[: self._likened]
        axes += np.exp(liked, out=liked).dot(self._smooth)
        if self._factors is not None:
            first, second = self._factors
            axes[self._products] = axes.take(first) * axes.take(second)
        return self._spread(axes)

    def _nearest(self, plain: Float32Array) -> IntArray:
        """Finding the least that is near enough and comparing is faster than keeping places in order."""
        least = len(plain) - self._number
        ordered = plain.copy()
        ordered.partition(least)
        nearest: IntArray = (plain >= ordered[least]).nonzero()[0][: self._number]
        return nearest

    def _spread(self, axes: Float32Array) -> Forecast:
        accuracy = axes[: self._of_accuracy].dot(self._accuracies)
        costs = np.matmul(axes[self._of_accuracy :].reshape(self._apart), self._costs)[:, 0]
        return _forecast(accuracy, np.exp(costs, out=costs), self._late, familiar=True)


def _forecast(accuracy: Float32Array, costs: Float32Array, spread: Float32Array, familiar: bool) -> Forecast:
    latency, cost, energy = costs
    late_latency, late_cost, late_energy = costs * spread
    return Forecast(accuracy, latency, late_latency, late_latency, cost, late_cost, energy, late_energy, familiar)


def _single(values: npt.ArrayLike) -> Float32Array:
    """In 32 bits from the beginning of a cache line on, which a product reads in up to a quarter less time."""
    given = np.asarray(values, dtype=np.float32)
    room = np.empty(given.nbytes + _LINE, dtype=np.uint8)
    start = -room.ctypes.data % _LINE
    found = room[start : start + given.nbytes].view(np.float32).reshape(given.shape)
    found[...] = given
    return found


def _landmarks_first(surface: Surface) -> IntArray:
    others = np.setdiff1d(np.arange(len(surface.known.axes)), surface.landmarks)
    return np.concatenate([surface.landmarks, others])


def _scaling(sight: Sight) -> FloatArray:
    """From (vector, traits, 1) to (vector, form, 1). What all profiled queries have in common becomes a form of 0."""
    width = len(sight.centre)
    found = np.eye(width + TRAITS + 1)
    scale = 1 / (sight.scale * len(sight.mean) ** 0.5)
    found[range(width, width + TRAITS), range(width, width + TRAITS)] = scale
    found[-1, width:-1] = -sight.mean * scale
    return found


def _look(sight: Sight) -> FloatArray:
    """From (vector, form, 1) to (principal axes, form, 1, room for the squares of both, and one 0 that makes rows even)."""
    width, own = sight.rotation.shape
    found = np.zeros((width + TRAITS + 1, own + TRAITS + 4))
    found[:width, :own], found[-1, :own] = sight.rotation, -sight.centre @ sight.rotation
    found[width:, own:-3] = np.eye(TRAITS + 1)
    return found


def _exponents(known: Seen, landmarks: int) -> FloatArray:
    """From a look to the logarithm of likeness, one row each: to the landmarks by vector and form, to all by the vector.

    A squared distance |x|² - 2xy + |y|² is a product with (x, 1, |x|²)."""
    rows = len(known.axes)
    plain = np.hstack([-2 * known.axes, np.zeros((rows, TRAITS)), (known.axes**2).sum(axis=1)[:, None], np.ones((rows, 1))])
    plain = _LIKE * np.hstack([plain, np.zeros((rows, 2))])
    own, form = known.axes.shape[1], known.form[:landmarks]
    formed = plain[:landmarks].copy()
    formed[:, own:-4] = _FORMED * -2 * form
    formed[:, -4] += _FORMED * (form**2).sum(axis=1)
    formed[:, -2] = _FORMED
    return np.vstack([formed, plain])


class _Room(NamedTuple):
    """A measure, None if it was never taken, and how many axes and products of them are kept for it, with a 1 in between."""

    measure: Measure | None
    axes: int
    products: int = 0

    @property
    def width(self) -> int:
        return self.axes + 1 + self.products


def _rooms(accuracy: Measure, costs: Sequence[Measure | None]) -> list[_Room]:
    """All costs get as many axes as the one with most."""
    surface = accuracy.fit.surface
    own = _Room(accuracy, len(surface.basis), 0 if surface.bend is None else len(surface.bend.slopes) - len(surface.basis))
    axes = max((len(measure.fit.surface.basis) for measure in costs if measure), default=0)
    return [own, *(_Room(measure, axes) for measure in costs)]


def _planes(room: _Room, sight: Sight) -> FloatArray:
    """From (vector, form, 1) to a measure's axes and a 1, by which `_paths` adds what a path does on the whole."""
    width = len(sight.centre)
    found = np.zeros((width + TRAITS + 1, room.width))
    found[-1, room.axes] = 1.0
    if room.measure is None:
        return found
    surface = room.measure.fit.surface
    kept = len(surface.basis)
    plain, formed = (slopes / _VIEWS for slopes in surface.plane.slopes)
    found[:width, :kept], found[width:-1, :kept] = plain + formed[:width], FORM * formed[width:]
    found[-1, :kept] = -sight.centre @ found[:width, :kept] + _offset(surface) / _VIEWS
    return found


def _smooth(room: _Room, landmarks: int) -> FloatArray:
    """From likeness to the landmarks, first with and then without the form, to a measure's axes."""
    found = np.zeros((2 * landmarks, room.width))
    if room.measure is not None:
        surface = room.measure.fit.surface
        slopes = [whiten @ slopes for whiten, slopes in zip(surface.whiten, surface.smooth.slopes, strict=True)]
        found[:, : len(surface.basis)] = np.vstack(slopes[::-1]) / _VIEWS
    return found


def _targets(room: _Room, queries: int) -> FloatArray:
    found = np.zeros((queries, room.width))
    if room.measure is not None:
        surface = room.measure.fit.surface
        found[:, : len(surface.basis)] = surface.targets
    return found


def _paths(room: _Room, paths: int) -> FloatArray:
    """From a measure's axes, a 1 and products to accuracy, or to the logarithm of a cost; NaN if it was never measured."""
    found = np.zeros((room.width, paths))
    measure = room.measure
    if measure is None:
        found[room.axes] = np.nan
        return found
    surface = measure.fit.surface
    found[: len(surface.basis)] = surface.basis
    with np.errstate(divide="ignore"):  # the logarithm of a cost of nothing is minus infinity
        found[room.axes] = np.log(measure.level) if measure.relative else measure.level
    if surface.bend is not None:
        of_axes, of_products = np.split(surface.bend.slopes @ surface.basis, [room.axes])
        found[: room.axes] += of_axes
        found[room.axes] += surface.bend.offset @ surface.basis
        found[room.axes + 1 :] = of_products
    return found


def _offset(surface: Surface) -> FloatArray:
    """What the centres of all features take away; neighbours have none."""
    parts: Sequence[tuple[FloatArray, FloatArray]] = [
        *zip(surface.plane.centres, surface.plane.slopes, strict=True),
        *zip(surface.smooth.centres, surface.smooth.slopes, strict=True),
    ]
    return np.asarray(-sum(centre @ slopes for centre, slopes in parts), dtype=np.float64)
