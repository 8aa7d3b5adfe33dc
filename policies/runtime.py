"""The forecast for one query, fast: what a gateway asks between the embedding and the choice.

The same numbers as `Predictor` gives, arranged for one query at a time in 32 bits: one product leads from the vector to its
axes and to all planes, one look at the profiled queries serves likeness, neighbours and familiarity, and every measure acts
on a few axes before it is spread over the paths.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from policies.forecast import Forecast
from policies.predict import Measure, Predictor
from policies.shape import shape_of
from policies.sight import FAR
from policies.surface import FORM, WIDTH, Surface

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
_LIKE, _FORMED = np.float32(-1 / (2 * WIDTH)), np.float32(FORM**2 / (2 * WIDTH))


def _single(values: npt.ArrayLike) -> Float32Array:
    return np.ascontiguousarray(values, dtype=np.float32)


class Forecaster:
    """Immutable once made, so that many threads share it; a new profile makes a new one."""

    def __init__(self, predictor: Predictor) -> None:
        measures = [predictor.accuracy, *predictor.costs.values()]
        surfaces = [measure.fit.surface for measure in measures]
        first, sight = surfaces[0], predictor.sight
        self._centre, self._mean = _single(sight.centre), _single(sight.mean)
        self._scale, self._far = _single(sight.scale * len(sight.mean) ** 0.5), np.float32(FAR / len(sight.mean) ** 0.5)
        self._profiled = _single(first.known.axes)
        self._sizes = _single((first.known.axes**2).sum(axis=1))
        forms = first.known.form[first.landmarks]
        self._forms, self._form_sizes = _single(2 * _FORMED * forms), _single(-_FORMED * (forms**2).sum(axis=1))
        self._landmarks, self._number, self._familiar = first.landmarks, first.number, predictor.familiar
        # Three views are averaged, hence the thirds.
        self._rotate = _single(np.hstack([sight.rotation, *(_plane_of_vector(surface) / 3 for surface in surfaces)]))
        self._shift = _single(np.hstack([_plane_of_form(surface) / 3 for surface in surfaces]))
        self._offset = _single(np.hstack([_offset(surface) / 3 for surface in surfaces]))
        self._smooth = tuple(_single(np.hstack([_slopes(surface, which) / 3 for surface in surfaces])) for which in (0, 1))
        self._near = _single(np.hstack([surface.targets for surface in surfaces]) / (3 * first.number))
        self._axes, self._costs = _places(measures), tuple(predictor.costs)
        self._basis = tuple(_single(surface.basis) for surface in surfaces)
        self._accuracy = _single(predictor.accuracy.level)
        shape = (len(predictor.costs), len(self._accuracy))
        self._level = _single([measure.level for measure in measures[1:]]).reshape(shape)
        self._late = _single([measure.spread for measure in measures[1:]]).reshape(shape)
        self._ones = np.ones(first.number, dtype=np.float32)
        self._unknown = np.full(len(self._accuracy), np.nan, dtype=np.float32)

    def forecast(self, vector: Float32Array, text: str) -> Forecast:
        """What to expect of every path for the query `text` with this unit vector, shape (width,).

        Of a query unlike all profiled ones nothing is known but what each path does on the whole: that is the safe default.
        """
        form = (np.array(shape_of(text), dtype=np.float32) - self._mean) / self._scale
        form = np.maximum(np.minimum(form, self._far), -self._far)
        moved = (vector - self._centre) @ self._rotate
        own = moved[: self._profiled.shape[1]]
        distances = self._profiled @ own
        distances *= -2
        distances += self._sizes
        near = distances.argpartition(self._number - 1)[: self._number]
        distances += own @ own
        likeness = np.exp(distances[self._landmarks] * _LIKE)
        # Of squared distances between forms, the profile's own part is known beforehand.
        formed = likeness * np.exp(self._forms @ form + self._form_sizes - form @ form * _FORMED)
        axes = moved[len(own) :] + self._offset + form @ self._shift + self._ones @ self._near.take(near, axis=0)
        axes += likeness @ self._smooth[0]
        axes += formed @ self._smooth[1]
        familiar = bool(distances[near].min() <= self._familiar)
        return self._spread(axes if familiar else np.zeros_like(axes), familiar)

    def _spread(self, axes: Float32Array, familiar: bool) -> Forecast:
        accuracy = axes[self._axes[0]] @ self._basis[0]
        accuracy += self._accuracy
        costs = np.empty_like(self._level)
        for row, place, basis in zip(costs, self._axes[1:], self._basis[1:], strict=True):
            np.matmul(axes[place], basis, out=row)
        np.exp(costs, out=costs)
        costs *= self._level
        means = dict(zip(self._costs, costs, strict=True))
        late = dict(zip(self._costs, costs * self._late, strict=True))
        unknown = self._unknown
        latency_p90_s = late.get("latency_s", unknown)
        return Forecast(
            accuracy=accuracy,
            latency_s=means.get("latency_s", unknown),
            latency_p90_s=latency_p90_s,
            ttft_p90_s=latency_p90_s,
            cost_usd=means.get("cost_usd", unknown),
            cost_p90_usd=late.get("cost_usd", unknown),
            energy_j=means.get("energy_j", unknown),
            energy_p90_j=late.get("energy_j", unknown),
            familiar=familiar,
        )


def _places(measures: Sequence[Measure]) -> tuple[slice, ...]:
    """Where each measure's axes lie among all axes."""
    ends = np.cumsum([len(measure.fit.surface.basis) for measure in measures]).tolist()
    return tuple(slice(start, end) for start, end in zip([0, *ends], ends, strict=False))


def _plane_of_vector(surface: Surface) -> FloatArray:
    plain, formed = surface.plane.slopes
    return np.asarray(plain + formed[: len(plain)], dtype=np.float64)


def _plane_of_form(surface: Surface) -> FloatArray:
    plain, formed = surface.plane.slopes
    return np.asarray(FORM * formed[len(plain) :], dtype=np.float64)


def _slopes(surface: Surface, which: int) -> FloatArray:
    """From likeness to the landmarks to this surface's axes."""
    return np.asarray(surface.whiten[which] @ surface.smooth.slopes[which], dtype=np.float64)


def _offset(surface: Surface) -> FloatArray:
    """What the centres of all features take away; neighbours have none."""
    pairs = [
        *zip(surface.plane.centres, surface.plane.slopes, strict=True),
        *zip(surface.smooth.centres, surface.smooth.slopes, strict=True),
    ]
    return np.asarray(-sum(centre @ slopes for centre, slopes in pairs), dtype=np.float64)
