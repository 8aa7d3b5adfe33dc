"""What a predictor sees of a query: its sentence vector on few axes, and its form in the profile's own units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
MOST_AXES = 48
"""Of a sentence vector for comparing queries: as near in rank as all of them, and an eighth of the time."""
FAR = 3.0  # standard deviations: a form beyond them says no more than one at them


@dataclass(frozen=True, slots=True)
class Seen:
    """Queries as seen: `plain` of shape (queries, width), `axes` of (queries, axes), `form` of (queries, traits)."""

    plain: FloatArray
    axes: FloatArray
    form: FloatArray

    def rows(self, places: npt.NDArray[np.intp]) -> Seen:
        """The queries at `places`."""
        return Seen(self.plain[places], self.axes[places], self.form[places])


@dataclass(frozen=True, slots=True)
class Sight:
    """`centre` and `rotation` lead from a vector to its principal axes, `mean` and `scale` from traits to profile units."""

    centre: FloatArray
    rotation: FloatArray
    mean: FloatArray
    scale: FloatArray

    def see(self, vectors: FloatArray, traits: FloatArray) -> Seen:
        """`vectors` of shape (queries, width) and `traits` of (queries, traits), as `policies.shape` gives them."""
        plain = vectors - self.centre
        form = np.clip((traits - self.mean) / self.scale, -FAR, FAR) / np.sqrt(len(self.mean))
        return Seen(plain, plain @ self.rotation, form)


def fit_sight(vectors: FloatArray, traits: FloatArray) -> Sight:
    """Principal axes of the profiled queries. A trait in which they do not differ is not seen."""
    centre, mean, spread = vectors.mean(axis=0), traits.mean(axis=0), traits.std(axis=0)
    axes = np.linalg.eigh((vectors - centre).T @ (vectors - centre))[1][:, ::-1]
    rotation = np.ascontiguousarray(axes[:, : min(MOST_AXES, len(vectors))])
    return Sight(centre, rotation, mean, np.where(spread > 1e-9, spread, np.inf))
