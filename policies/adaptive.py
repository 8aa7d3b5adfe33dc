"""Adaptive paths: a cheap path answers first, and what it showed decides whether a costlier one is asked as well.

Learnt from a profile whose cells carry signals. A rule belongs to a retriever, the model that answers first and the one that
may answer then, since the meaning of scores and probabilities is theirs; so it rests on all profiled paths through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from policies.forecast import Axis
from policies.gate import Gate, Trials, fit_gate, foreseen
from policies.predict import Predictor
from policies.select import Preference
from policies.space import option
from policies.types import Path, Profile

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
MOST = 16
"""Adaptive paths that take part in a choice."""
LIKELY = 12
"""Paths of each model that are tried as parts."""
LEAST = 1e-4
"""What one more adaptive path must add to the mean expected accuracy."""


@dataclass(frozen=True, slots=True)
class Adaptive:
    """`first` and `then` are places of paths."""

    first: int
    then: int
    gate: Gate


@dataclass(frozen=True, slots=True)
class Shown:
    """What a profile tells to learn gates from, by its rows: measured and left-out accuracy, the costs that are expected on the
    preferred axis, shape (queries, paths), `signals` of shape (queries, paths, signals), and which rows have the same text."""

    accuracy: FloatArray
    expected: FloatArray
    cost: FloatArray
    signals: FloatArray
    query: IntArray

    @classmethod
    def of(cls, profile: Profile, signals: FloatArray, predictor: Predictor, axis: Axis) -> Shown:
        """`predictor` was learnt from `profile`."""
        query = np.unique(np.array(profile.queries, dtype=object), return_inverse=True)[1]
        cost = predictor.costs[axis].left_out[query]
        return cls(profile.accuracy, predictor.accuracy.left_out[query], cost, signals, query)


def fit_adaptive(shown: Shown, paths: Sequence[Path], preference: Preference) -> tuple[Adaptive, ...]:
    """The adaptive paths that take part, those first that add most to what the profiled queries are expected to get from all
    before them and from the fixed paths. Both parts are among the fixed paths worth most of their model, and the gate between
    them has proved itself."""
    worth = shown.expected - preference.price * shown.cost
    means, seconds = worth.mean(axis=0), shown.cost.mean(axis=0)
    likely = _likely(means, [path.generate for path in paths])
    gates: dict[tuple[str, str, str], Gate | None] = {}
    found: list[Adaptive] = []
    for first, then in product(likely, likely):
        group = (option(paths[first].retrieve), paths[first].generate, paths[then].generate)
        if group[1] == group[2] or seconds[first] >= seconds[then]:
            continue
        if group not in gates:
            gates[group] = fit_gate(_trials(shown, paths, group, preference))
        gate = gates[group]
        if gate is not None:
            found.append(Adaptive(first, then, gate))
    return _chosen(found, worth.max(axis=1), [_worth(shown, each, preference) for each in found])


def _likely(means: FloatArray, models: Sequence[str]) -> list[int]:
    """Of each model the paths with the highest `means`."""
    order = [int(place) for place in np.argsort(-means, kind="stable")]
    return [place for model in dict.fromkeys(models) for place in [each for each in order if models[each] == model][:LIKELY]]


def _chosen(found: Sequence[Adaptive], best: FloatArray, worth: Sequence[FloatArray]) -> tuple[Adaptive, ...]:
    """Greedily, as long as one more adds something; `best` and each of `worth` are of shape (queries,)."""
    left, chosen = list(range(len(found))), list[Adaptive]()
    while left and len(chosen) < MOST:
        more = [float(np.maximum(worth[place] - best, 0.0).mean()) for place in left]
        place = left.pop(int(np.argmax(more)))
        if max(more) < LEAST:
            break
        chosen.append(found[place])
        best = np.maximum(best, worth[place])
    return tuple(chosen)


def _trials(shown: Shown, paths: Sequence[Path], group: tuple[str, str, str], preference: Preference) -> Trials:
    """Each measured cell of a first path against the mean of the cells of the second model that its query has."""
    retriever, small, large = group
    first = np.array([(option(path.retrieve), path.generate) == (retriever, small) for path in paths])
    then = np.array([path.generate == large for path in paths])
    measured = ~np.isnan(shown.accuracy)
    against = measured & then
    counts = against.sum(axis=1)
    rows, places = np.nonzero(measured & first & (counts > 0)[:, None])

    def mean(values: FloatArray) -> FloatArray:
        means: FloatArray = np.where(against, values, 0.0).sum(axis=1)[rows] / counts[rows]
        return means

    return Trials(
        shown=shown.signals[rows, places],
        first=shown.expected[rows, places],
        ahead=mean(shown.expected) - shown.expected[rows, places],
        gained=mean(shown.accuracy) - shown.accuracy[rows, places],
        hurdle=preference.band + preference.price * mean(shown.cost),
        query=shown.query[rows],
    )


def _worth(shown: Shown, pair: Adaptive, preference: Preference) -> FloatArray:
    """Expected accuracy less the price of what it takes, shape (queries,)."""
    first, then, cost = shown.expected[:, pair.first], shown.expected[:, pair.then], shown.cost[:, pair.then]
    hurdle = preference.band + preference.price * cost
    uplift, share = foreseen(pair.gate.surprises[None], first, then - first, hurdle)
    worth: FloatArray = first + uplift - preference.price * (shown.cost[:, pair.first] + share * cost)
    return worth
