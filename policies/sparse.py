"""The surface of a measure of which most cells are missing: learnt from the measured cells themselves.

Filling the missing ones first and learning from full rows afterwards makes noise of a few cells look like rows of measurements.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from policies.cells import Told, average_cells
from policies.complete import Completed
from policies.effects import NOTHING, covariance
from policies.sight import Seen
from policies.surface import Fit, Surface, landmarks_of, near_left_out, neighbours_for, planes, smooths, whitenings

FloatArray = npt.NDArray[np.float64]
SPARSE = 0.5
"""A table with a smaller share of measured cells is sparse."""


def is_sparse(completed: Completed) -> bool:
    """Whether to learn from cells. Not where nothing varies, since there is nothing to learn."""
    return bool(completed.observed.mean() < SPARSE and np.abs(completed.residuals).max() >= NOTHING)


def fit_sparse(known: Seen, completed: Completed, options: Sequence[Sequence[str]], weights: FloatArray, axes: int) -> Fit:
    """As `policies.surface.fit_surface`; `options` are each path's options.

    Neighbours are not asked what was measured of them, which is little, but where they are on the axes by all that is known.
    """
    together = covariance(completed, options)
    basis = _strongest(completed, together)[:axes]
    told = Told.of(completed, together, basis)
    landmarks, number = landmarks_of(len(weights)), neighbours_for(weights)
    middle = known.rows(landmarks)
    whiten = whitenings(middle)
    flat, curved = planes(known), smooths(known, middle, whiten)
    plane, smooth = average_cells(flat, told), average_cells(curved, told)
    targets = told.places(completed, (plane.predict(flat) + smooth.predict(curved)) / 2)
    left_out = (plane.left_out + smooth.left_out + near_left_out(known.axes, targets, number)) / 3
    return Fit(Surface(known, targets, basis, number, landmarks, whiten, plane, smooth), left_out @ basis)


def _strongest(completed: Completed, together: FloatArray) -> FloatArray:
    """Principal axes of the residuals, shape (axes, paths), the strongest first.

    Those of `together`, shape (paths, paths), after one step of expectation maximisation: by the options alone, many axes would
    be as strong as each other.
    """
    expected, sure = np.zeros(completed.residuals.shape), np.zeros_like(together)
    for query, seen in enumerate(completed.observed):
        inverse = np.linalg.inv(together[np.ix_(seen, seen)])
        expected[query] = together[:, seen] @ inverse @ completed.residuals[query, seen]
        sure[np.ix_(seen, seen)] += inverse / len(expected)
    spread = expected.T @ expected / len(expected) + together - together @ sure @ together
    return np.asarray(np.linalg.eigh(spread)[1].T[::-1], dtype=np.float64)
