"""When to go on from a cheap answer to a costlier path: what the first one showed, against what it was expected to show.

ECO-LLM (arXiv 2507.09003) leaves this open; cascades such as FrugalGPT (arXiv 2305.05176) set a threshold on a score. Here
nothing is set: the gain that is expected of going on is learnt from profiled queries, and weighed against its price.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    signals over the profile, of shape (samples,), the least first.
    """

    trend: FloatArray
    scale: FloatArray
    slopes: FloatArray
    surprises: FloatArray

    def gain(self, shown: FloatArray, first: FloatArray, ahead: FloatArray) -> FloatArray:
        """Expected gain in accuracy by going on, shape (n,), after `shown` of shape (n, signals); NaN is as expected."""
        told = _openness(first) * (_apart(shown, first, ahead, self.trend, self.scale) @ self.slopes)
        return np.asarray(ahead + told, dtype=np.float64)


class Foresight:
    """What several gates, or one for several queries, are expected to do before their first paths have run."""

    def __init__(self, gates: Sequence[Gate]) -> None:
        self._surprises = np.array([gate.surprises for gate in gates] or np.zeros((0, 1)), dtype=np.float32)
        self._rows, self._number = np.arange(len(gates)), self._surprises.shape[1]
        sums = np.cumsum(self._surprises[:, ::-1], axis=1)  # of the largest one, two, ...
        self._largest = np.hstack([np.zeros((len(gates), 1), dtype=np.float32), sums])

    def expect(self, first: Floats, ahead: Floats, hurdle: Floats) -> tuple[Floats, Floats]:
        """By how much each is expected to be more accurate than its first path alone, and how often it goes on: where the gain
        is above `hurdle`. All of shape (gates,), or (queries,) for a single gate."""
        openness = _openness(first)
        goes = (self._surprises > ((hurdle - ahead) / openness)[:, None]).sum(axis=1)
        rows = self._rows if len(self._rows) > 1 else 0
        return (ahead * goes + openness * self._largest[rows, goes]) / self._number, goes / self._number


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
    tried = np.empty((len(trials.query), len(_STRENGTHS)))
    for fold in range(_FOLDS):
        out = trials.query % _FOLDS == fold
        seen, left = _Fitting.of(trials.rows(~out)), trials.rows(out)
        tried[out] = left.ahead[:, None] + seen.told(left) @ np.stack([seen.slopes(each) for each in _STRENGTHS], axis=1)
    best = int(((tried - trials.gained[:, None]) ** 2).mean(axis=0).argmin())
    return _Fitting.of(trials).gate(float(_STRENGTHS[best])) if _lead(trials, tried[:, best]) > PROOF else None


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


@dataclass(frozen=True, slots=True)
class _Fitting:
    """Gates of all strengths from the same trials: `apart` of shape (n, signals) is how far the signals were from what was
    expected, `of_gain` what products of them and the gain sum to."""

    trend: FloatArray
    scale: FloatArray
    apart: FloatArray
    products: FloatArray
    of_gain: FloatArray

    @classmethod
    def of(cls, trials: Trials) -> _Fitting:
        trend, scale = _expectation(_bounded(trials.shown), _known(trials.first, trials.ahead))
        apart = _apart(trials.shown, trials.first, trials.ahead, trend, scale)
        told = _openness(trials.first)[:, None] * apart
        return cls(trend, scale, apart, told.T @ told, told.T @ (trials.gained - trials.ahead))

    def told(self, trials: Trials) -> FloatArray:
        """What slopes are multiplied with, shape (n, signals)."""
        apart = _apart(trials.shown, trials.first, trials.ahead, self.trend, self.scale)
        return np.asarray(_openness(trials.first)[:, None] * apart, dtype=np.float64)

    def slopes(self, strength: float) -> FloatArray:
        """By ridge regression."""
        ridge = strength * len(self.apart) * np.eye(len(self.of_gain))
        return np.asarray(np.linalg.solve(self.products + ridge, self.of_gain), dtype=np.float64)

    def gate(self, strength: float) -> Gate:
        """The gate of one strength."""
        slopes = self.slopes(strength)
        surprises = np.sort(self.apart @ slopes)[np.linspace(0, len(self.apart) - 1, _SURPRISES).astype(np.intp)]
        return Gate(self.trend, self.scale, slopes, surprises)


def _expectation(shown: FloatArray, known: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What each signal is expected to be by what was `known` before, and by how much it differs; one that does not counts
    for nothing."""
    trend, scale = np.zeros((known.shape[1], shown.shape[1])), np.full(shown.shape[1], np.inf)
    for column, values in enumerate(shown.T):
        seen = ~np.isnan(values)
        if seen.sum() > known.shape[1]:
            there, given = values[seen], known[seen]
            trend[:, column] = np.linalg.pinv(given.T @ given) @ (given.T @ there)
            spread = float((there - given @ trend[:, column]).std())
            scale[column] = spread if spread > _ROUNDING * max(1.0, float(np.abs(there).max())) else np.inf
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
