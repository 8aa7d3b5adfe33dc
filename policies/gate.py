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


@dataclass(frozen=True, slots=True)
class Gate:
    """`ahead` is by how much the costlier path is expected to be more accurate than the first one, before either has run.

    Signals count by how far they are from `centre` + `trend` × ahead, in units of `scale`, all of shape (signals,). They change
    the gain by `slopes`; `surprises` are those changes over the profile, of shape (samples,).
    """

    centre: FloatArray
    trend: FloatArray
    scale: FloatArray
    slopes: FloatArray
    surprises: FloatArray

    def gain(self, shown: FloatArray, ahead: FloatArray) -> FloatArray:
        """Expected gain in accuracy by going on, shape (n,), after `shown` of shape (n, signals); NaN is as expected."""
        return np.asarray(ahead + self._apart(shown, ahead) @ self.slopes, dtype=np.float64)

    def foreseen(self, ahead: FloatArray, hurdle: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Before the first path has run: by how much the gate is expected to be more accurate than that path alone, and how
        often it goes on; `hurdle` is the gain that going on must have. All of shape (n,)."""
        return foreseen(self.surprises, ahead, hurdle)

    def _apart(self, shown: FloatArray, ahead: FloatArray) -> FloatArray:
        apart = (_bounded(shown) - self.centre - ahead[:, None] * self.trend) / self.scale
        return np.nan_to_num(apart, nan=0.0)


def foreseen(surprises: Floats, ahead: Floats, hurdle: Floats) -> tuple[FloatArray, FloatArray]:
    """`Gate.foreseen` of as many gates at once as `surprises`, of shape (gates, samples), has rows."""
    gains = ahead[:, None] + surprises
    goes = gains > hurdle[:, None]
    return (gains * goes).mean(axis=1), goes.mean(axis=1)


@dataclass(frozen=True, slots=True)
class Trials:
    """Profiled queries on which both were measured: `shown` of shape (n, signals), all others of shape (n,).

    `gained` is the measured difference in accuracy, `hurdle` what it had to be; rows of one query have the same `query`.
    """

    shown: FloatArray
    ahead: FloatArray
    gained: FloatArray
    hurdle: FloatArray
    query: IntArray

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Trials:
        """Those that are `chosen`."""
        return Trials(self.shown[chosen], self.ahead[chosen], self.gained[chosen], self.hurdle[chosen], self.query[chosen])


def fit_gate(trials: Trials) -> Gate | None:
    """Learn from `trials`; None if on queries left out of it the gate does not lead every other way to decide by `PROOF`
    standard errors: never to go on, always, and as expected beforehand."""
    if len(np.unique(trials.query)) < 2 * _FOLDS:
        return None
    folds = [trials.query % _FOLDS == fold for fold in range(_FOLDS)]
    tried = np.empty((len(_STRENGTHS), len(trials.query)))
    for left_out in folds:
        for place, strength in enumerate(_STRENGTHS):
            tried[place, left_out] = _fit(trials.rows(~left_out), strength).gain(trials.shown[left_out], trials.ahead[left_out])
    best = int(((tried - trials.gained) ** 2).mean(axis=1).argmin())
    if _lead(trials, tried[best]) <= PROOF:
        return None
    return _fit(trials, float(_STRENGTHS[best]))


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
    shown = _bounded(trials.shown)
    known = ~np.isnan(shown)
    centre, trend, scale = np.zeros(shown.shape[1]), np.zeros(shown.shape[1]), np.full(shown.shape[1], np.inf)
    for column in np.flatnonzero(known.sum(axis=0) > 2):
        values, ahead = shown[known[:, column], column], trials.ahead[known[:, column]]
        varied = ahead - ahead.mean()
        trend[column] = float(varied @ values) / max(float(varied @ varied), 1e-12)
        centre[column] = values.mean() - trend[column] * ahead.mean()
        spread = float((values - centre[column] - trend[column] * ahead).std())
        scale[column] = spread if spread > 1e-9 else np.inf
    blank = Gate(centre, trend, scale, np.zeros(len(centre)), np.zeros(1))
    apart = blank._apart(trials.shown, trials.ahead)
    ridge = strength * len(apart) * np.eye(apart.shape[1])
    slopes = np.asarray(np.linalg.solve(apart.T @ apart + ridge, apart.T @ (trials.gained - trials.ahead)), dtype=np.float64)
    surprises = np.sort(apart @ slopes)[np.linspace(0, len(apart) - 1, _SURPRISES).astype(np.intp)]
    return Gate(centre, trend, scale, slopes, surprises)


def _bounded(shown: FloatArray) -> FloatArray:
    """Probabilities instead of their logarithms, and the logarithm of the length: no single signal runs away."""
    top, margin, mean, least, tokens = np.moveaxis(shown, -1, 0)
    return np.stack([top, margin, np.exp(mean), np.exp(least), np.log1p(tokens)], axis=-1)
