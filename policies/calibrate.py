"""How far predictions go: views that are averaged, each careful by itself, are too careful together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from policies.complete import Completed
from policies.surface import Fit

FloatArray = npt.NDArray[np.float64]
_MOST = 4.0  # where hardly anything is predicted, a slope is mostly chance


def calibrated(fit: Fit, measured: Completed, weights: FloatArray) -> Fit:
    """`fit` with its residuals times the slope of measured on left-out residuals, over all measured cells.

    `weights` of shape (queries,) are how often each query was measured. A slope below 1, by which predictions would be
    drawn further toward the paths' means, is taken as well; one below 0 would be none at all.
    """
    said = np.where(measured.observed, fit.left_out, 0.0) * np.sqrt(weights)[:, None]
    found = np.where(measured.observed, measured.residuals, 0.0) * np.sqrt(weights)[:, None]
    size = float((said**2).sum())
    slope = 1.0 if size == 0 else min(max(float((said * found).sum()) / size, 0.0), _MOST)
    return Fit(replace(fit.surface, basis=slope * fit.surface.basis), slope * fit.left_out)
