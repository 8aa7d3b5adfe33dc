"""How far predictions go: views that are averaged, each careful by itself, may be too careful together."""

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

    `weights` of shape (queries,) are how often each query was measured. The slope is drawn toward 1 by its standard error, with
    the cells of a query as one observation (positive-part James and Stein, 1961): where there is no telling, it stays 1.
    """
    often = np.sqrt(weights)[:, None]
    said = np.where(measured.observed, fit.left_out, 0.0) * often
    found = np.where(measured.observed, measured.residuals, 0.0) * often
    size = float((said**2).sum())
    if size == 0:
        return fit
    slope = float((said * found).sum()) / size
    doubt = float(((said * (found - slope * said)).sum(axis=1) ** 2).sum()) / size**2
    apart = slope - 1.0
    trusted = 1.0 + apart * max(0.0, 1.0 - doubt / apart**2) if apart else 1.0
    factor = min(max(trusted, 0.0), _MOST)
    return Fit(replace(fit.surface, basis=factor * fit.surface.basis), factor * fit.left_out)
