"""The forecast for one query, fast: what a gateway asks between the embedding and the choice.

The same numbers as `Predictor` gives, arranged for one query at a time in 32 bits: one product leads from the vector to its
axes and to all planes, one look at the profiled queries serves likeness, neighbours and familiarity, and every measure acts
on a few axes before it is spread over the paths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.forecast import Axis, Forecast
from policies.predict import Measure, Predictor
from policies.shape import shape_of
from policies.sight import FAR
from policies.surface import FORM, WIDTH, Surface

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]


def _single(values: npt.ArrayLike) -> Float32Array:
    return np.ascontiguousarray(values, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Part:
    """Where one measure's axes lie among all axes, and what leads from them to its paths."""

    axes: slice
    basis: Float32Array
    level: Float32Array
    late: Float32Array
    relative: bool

    def values(self, axes: Float32Array) -> Float32Array:
        residuals = axes[self.axes] @ self.basis
        if not self.relative:
            return np.asarray(residuals + self.level)
        np.exp(residuals, out=residuals)
        residuals *= self.level
        return residuals


class Forecaster:
    """Immutable once made, so that many threads share it; a new profile makes a new one."""

    def __init__(self, predictor: Predictor) -> None:
        measures: dict[Axis | None, Measure] = {None: predictor.accuracy, **predictor.costs}
        surfaces = [measure.fit.surface for measure in measures.values()]
        first, sight = surfaces[0], predictor.sight
        self._centre, self._mean, self._scale = _single(sight.centre), sight.mean, sight.scale
        self._profiled = _single(first.known.axes)
        self._sizes = _single((first.known.axes**2).sum(axis=1))
        self._forms = _single(first.known.form[first.landmarks])
        self._landmarks, self._number, self._familiar = first.landmarks, first.number, predictor.familiar
        # Three views are averaged, hence the thirds.
        self._rotate = _single(np.hstack([sight.rotation, *(_plane_of_vector(surface) / 3 for surface in surfaces)]))
        self._shift = _single(np.hstack([_plane_of_form(surface) / 3 for surface in surfaces]))
        self._offset = _single(np.hstack([_offset(surface) / 3 for surface in surfaces]))
        self._smooth = tuple(_single(np.hstack([_slopes(surface, which) / 3 for surface in surfaces])) for which in (0, 1))
        self._near = _single(np.hstack([surface.targets for surface in surfaces]) / (3 * first.number))
        self._parts = dict(zip(measures, _parts(measures), strict=True))
        self._unknown = np.full(len(predictor.accuracy.level), np.nan, dtype=np.float32)

    def forecast(self, vector: Float32Array, text: str) -> Forecast:
        """What to expect of every path for the query `text` with this unit vector, shape (width,)."""
        form = _single(np.clip((shape_of(text) - self._mean) / self._scale, -FAR, FAR)) / np.float32(len(self._mean) ** 0.5)
        moved = (vector - self._centre) @ self._rotate
        own, axes = np.split(moved, [self._profiled.shape[1]])
        distances = self._profiled @ own
        distances *= -2
        distances += self._sizes
        distances += own @ own
        near = np.argpartition(distances, self._number - 1)[: self._number]
        likeness = np.exp(distances[self._landmarks] * np.float32(-1 / (2 * WIDTH)))
        apart = self._forms - form
        formed = likeness * np.exp(np.einsum("ij,ij->i", apart, apart) * np.float32(-(FORM**2) / (2 * WIDTH)))
        axes = axes + form @ self._shift + self._offset + self._near[near].sum(axis=0)
        axes += likeness @ self._smooth[0] + formed @ self._smooth[1]
        return self._spread(axes, bool(distances[near].min() <= self._familiar))

    def _spread(self, axes: Float32Array, familiar: bool) -> Forecast:
        unknown = self._unknown
        means = {axis: part.values(axes) for axis, part in self._parts.items()}
        late = {axis: means[axis] * part.late for axis, part in self._parts.items() if axis}
        latency_p90_s = late.get("latency_s", unknown)
        return Forecast(
            accuracy=means[None],
            latency_s=means.get("latency_s", unknown),
            latency_p90_s=latency_p90_s,
            ttft_p90_s=latency_p90_s,
            cost_usd=means.get("cost_usd", unknown),
            cost_p90_usd=late.get("cost_usd", unknown),
            energy_j=means.get("energy_j", unknown),
            energy_p90_j=late.get("energy_j", unknown),
            familiar=familiar,
        )


def _parts(measures: dict[Axis | None, Measure]) -> list[_Part]:
    parts, start = [], 0
    for measure in measures.values():
        basis = measure.fit.surface.basis
        place = slice(start, start + len(basis))
        parts.append(_Part(place, _single(basis), _single(measure.level), _single(measure.spread), measure.relative))
        start = place.stop
    return parts


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
