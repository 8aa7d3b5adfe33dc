"""When to go on from a cheap answer to a costlier path: what the first one showed, against what it was expected to show.

ECO-LLM (arXiv 2507.09003) leaves this open; cascades such as FrugalGPT (arXiv 2305.05176) set a threshold on a score. Here
nothing is set: the gain that is expected of going on is learnt from profiled queries, and weighed against its price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.intp]
PROOF = 2.0
"""Standard errors by which deciding by signals must lead every way to decide without them."""
_FOLDS = 5
_STRENGTHS = np.geomspace(1e-3, 10.0, 9)  # of the ridge, in units of the number of rows
_SURPRISES = 128  # that are kept to tell what a query's signals may turn out to be
_ROUNDING = 1e-9
_LEAST_OPEN = 0.1  # predictions of certainty are never so certain


@dataclass(frozen=True, slots=True)
class Gate:
    """gain = ahead + openness × slopes · (signals - their expectation) / scale.

    `first` is the expected accuracy of the first path, `ahead` by how much the other is expected to be more accurate. Signals
    are expected to be `trend`, of shape (3, signals), times (1, first, ahead), and differ from that by about `scale`. They tell
    the less the surer the outcome is beforehand: openness is 4 first (1 - first). `surprises` are the products of slopes and
    signals over the profile, of shape (samples,).
    """

    trend: FloatArray
    scale: FloatArray
    slopes: FloatArray
    surprises: FloatArray

    def gain(self, shown: FloatArray, first: FloatArray, ahead: FloatArray) -> FloatArray:
        """Expected gain in accuracy by going on, shape (n,), after `shown` of shape (n, signals); NaN is as expected."""
        told = _openness(first) * (_apart(shown, first, ahead, self.trend, self.scale) @ self.slopes)
        return np.asarray(ahead + told, dtype=np.float64)


def foreseen(surprises: Floats, first: Floats, ahead: Floats, hurdle: Floats) -> tuple[Floats, Floats]:
    """Before the first paths have run: by how much each gate is expected to be more accurate than its first path alone, and how
    often it goes on. `surprises` of shape (gates or 1, samples) are theirs, `hurdle` the gain that going on must have; all
    others are of shape (gates,)."""
    gains = ahead[:, None] + _openness(first)[:, None] * surprises
    goes = gains > hurdle[:, None]
    return (gains * goes).mean(axis=1), goes.mean(axis=1)


@dataclass(frozen=True, slots=True)
class Trials:
    """Profiled queries on which both were measured: `shown` of shape (n, signals), all others of shape (n,).

    `gained` is the measured difference in accuracy, `hurdle` what it had to be; rows of one query have the same `query`.
    """

    shown: FloatArray
    first: FloatArray
    ahead: FloatArray
    gained: FloatArray
    hurdle: FloatArray
    query: IntArray

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Trials:
        """Those that are `chosen`."""
        shown, first, ahead, gained, hurdle = (
            part[chosen] for part in (self.shown, self.first, self.ahead, self.gained, self.hurdle)
        )
        return Trials(shown, first, ahead, gained, hurdle, self.query[chosen])


def fit_gate(trials: Trials) -> Gate | None:
    """Learn from `trials`; None if on queries left out of it the gate does not lead every other way to decide by `PROOF`
    standard errors: never to go on, always, and as expected beforehand."""
    if len(np.unique(trials.query)) < 2 * _FOLDS:
        return None
    tried = np.empty((len(_STRENGTHS), len(trials.query)))
    for fold in range(_FOLDS):
        out = trials.query % _FOLDS == fold
        for place, strength in enumerate(_STRENGTHS):
            gate = _fit(trials.rows(~out), strength)
            tried[place, out] = gate.gain(trials.shown[out], trials.first[out], trials.ahead[out])
    best = int(((tried - trials.gained) ** 2).mean(axis=1).argmin())
    return _fit(trials, float(_STRENGTHS[best])) if _lead(trials, tried[best]) > PROOF else None


def _lead(trials: Trials, gains: FloatArray) -> float:
    """The least number of standard errors by which going on at `gains` is worth more than the other ways."""
    goes, worth = gains > trials.hurdle, trials.gained - trials.hurdle
    others = (np.zeros_like(goes), np.ones_like(goes), trials.ahead > trials.hurdle)
    return min(_in_errors((goes.astype(np.float64) - other) * worth, trials.query) for other in others)


def _in_errors(more: FloatArray, query: IntArray) -> float:
    """The sum of `more` over its standard error, with the rows of a query as one observation."""
    of_query = np.bincount(query, weights=more)
    error = float(np.sqrt((of_query**2).sum()))
    return float(of_query.sum()) / error if error > 0 else 0.0


def _fit(trials: Trials, strength: float) -> Gate:
    trend, scale = _expectation(_bounded(trials.shown), _known(trials.first, trials.ahead))
    apart = _apart(trials.shown, trials.first, trials.ahead, trend, scale)
    told = _openness(trials.first)[:, None] * apart
    ridge = strength * len(told) * np.eye(told.shape[1])
    slopes = np.asarray(np.linalg.solve(told.T @ told + ridge, told.T @ (trials.gained - trials.ahead)), dtype=np.float64)
    surprises = np.sort(apart @ slopes)[np.linspace(0, len(apart) - 1, _SURPRISES).astype(np.intp)]
    return Gate(trend, scale, slopes, surprises)


def _expectation(shown: FloatArray, known: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What each signal is expected to be by what was `known` before, and by how much it differs; one that does not counts
    for nothing."""
    trend, scale = np.zeros((known.shape[1], shown.shape[1])), np.full(shown.shape[1], np.inf)
    for column, values in enumerate(shown.T):
        seen = ~np.isnan(values)
        if seen.sum() > known.shape[1]:
            trend[:, column] = np.linalg.lstsq(known[seen], values[seen], rcond=None)[0]
            spread = float((values[seen] - known[seen] @ trend[:, column]).std())
            scale[column] = spread if spread > _ROUNDING * max(1.0, float(np.abs(values[seen]).max())) else np.inf
    return trend, scale


def _apart(shown: FloatArray, first: FloatArray, ahead: FloatArray, trend: FloatArray, scale: FloatArray) -> FloatArray:
    return np.nan_to_num((_bounded(shown) - _known(first, ahead) @ trend) / scale, nan=0.0)


def _known(first: FloatArray, ahead: FloatArray) -> FloatArray:
    return np.stack([np.ones_like(first), first, ahead], axis=1)


def _openness(first: Floats) -> Floats:
    likely = np.clip(first, 0.0, 1.0)
    return np.maximum(4 * likely * (1 - likely), _LEAST_OPEN)


def _bounded(shown: FloatArray) -> FloatArray:
    """Probabilities instead of their logarithms, and the logarithm of the length: no single signal runs away."""
    top, margin, mean, least, tokens = np.moveaxis(shown, -1, 0)
    return np.stack([top, margin, np.exp(mean), np.exp(least), np.log1p(tokens)], axis=-1)
