"""What outcomes say about a path beyond its profile: how much better or worse it answers, and how much dearer it is.

The profile is the prior. Each posterior is a mean with the profile's word as some imagined observations (normal mean, known
variances; Gelman et al., Bayesian Data Analysis, ch. 2), of which only so many may come from one caller.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PRIOR_SCORES = 20.0
"""Scores as which the profile's accuracy counts."""
CLIENT_SCORES = 4.0
"""Scores that one client may have at most: its last ones, the older fade."""
CLIENTS = 1000
"""Clients whose scores are remembered for a path; the longest silent is forgotten first."""
PRIOR_RATIOS = 10.0
KEEP = 0.98
"""Weight that a measured ratio keeps when the next one comes: about the last fifty count."""
MAX_RATIO = 20.0
_ROUNDING = 1e-9
"""Relative: sum and weight are rounded apart, so that a path which is always at `MAX_RATIO` has a sum a hair above it."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What to add to the accuracy that a profile predicts for a path, and what to multiply its costs by."""

    accuracy: float = 0.0
    latency: float = 1.0
    cost: float = 1.0
    energy: float = 1.0


class ScoreShift:
    """How much better than predicted the answers of one path are, by feedback: from -1 to 1, 0 without any.

    shift = Σ_c w_c m_c / (PRIOR_SCORES + Σ_c w_c) over clients c, with m_c the mean of its last scores less their predictions
    and w_c their number, at most CLIENT_SCORES. Whatever one client sends, and however often, it moves the shift by at most
    CLIENT_SCORES / PRIOR_SCORES (a fifth): with W the weight of the others, by w |m_c - shift| / (PRIOR + W + w), where |m_c| is
    at most 1 and |shift| at most W / (PRIOR + W).
    """

    def __init__(self) -> None:
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def add(self, client: str, score: float, predicted: float) -> bool:
        """Take note of a score from 0 to 1 for an answer of which `predicted` was expected; false, and nothing, for another."""
        if not (0.0 <= score <= 1.0 and math.isfinite(predicted)):
            return False
        difference = min(max(score - predicted, -1.0), 1.0)
        weight, mean = self._clients.pop(client, (0.0, 0.0))
        weight = min(weight + 1.0, CLIENT_SCORES)
        self._clients[client] = (weight, mean + (difference - mean) / weight)
        if len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)
        return True

    @property
    def value(self) -> float:
        """The shift."""
        total = sum(weight * mean for weight, mean in self._clients.values())
        return total / (PRIOR_SCORES + sum(weight for weight, _ in self._clients.values()))

    def dump(self) -> dict[str, list[float]]:
        """Weight and mean of each client; the inverse of `load`."""
        return {client: [weight, mean] for client, (weight, mean) in self._clients.items()}

    @classmethod
    def load(cls, known: Mapping[str, Sequence[float]]) -> ScoreShift:
        """Raises ValueError for what is no dump."""
        shift = cls()
        for client, (weight, mean) in known.items():
            if not (0 < weight <= CLIENT_SCORES and -1 <= mean <= 1):
                raise ValueError(f"a client has {weight} scores of mean {mean}")
            shift._clients[client] = (weight, mean)
        return shift


class RatioMean:
    """Measured over predicted values, as a mean anchored at 1. One outcome moves it by at most MAX_RATIO / (PRIOR_RATIOS + 1)."""

    def __init__(self, total: float = 0.0, weight: float = 0.0) -> None:
        """Raises ValueError for sums that no measurements have."""
        most = MAX_RATIO * weight * (1 + _ROUNDING)
        if not (0 <= total <= most and 0 <= weight < math.inf):
            raise ValueError(f"ratios from 0 to {MAX_RATIO:g} of weight {weight} cannot sum up to {total}")
        self._sum, self._weight = total, weight

    def add(self, measured: float, predicted: float) -> None:
        """Take note of a pair; impossible numbers are ignored."""
        if math.isfinite(measured) and math.isfinite(predicted) and measured >= 0 and predicted > 0:
            self._sum = KEEP * self._sum + min(measured / predicted, MAX_RATIO)
            self._weight = KEEP * self._weight + 1.0

    @property
    def value(self) -> float:
        """The mean."""
        return (self._sum + PRIOR_RATIOS) / (self._weight + PRIOR_RATIOS)

    def dump(self) -> list[float]:
        """The arguments of the constructor."""
        return [self._sum, self._weight]


class PathPosterior:
    """All about one path."""

    def __init__(self) -> None:
        self.score = ScoreShift()
        self.latency, self.cost, self.energy = RatioMean(), RatioMean(), RatioMean()

    @property
    def correction(self) -> Correction:
        """What the profile's predictions need."""
        return Correction(self.score.value, self.latency.value, self.cost.value, self.energy.value)

    def dump(self) -> dict[str, Any]:
        """Plain lists and numbers; the inverse of `load`."""
        ratios = {"latency": self.latency.dump(), "cost": self.cost.dump(), "energy": self.energy.dump()}
        return {"scores": self.score.dump(), **ratios}

    @classmethod
    def load(cls, known: Mapping[str, Any]) -> PathPosterior:
        """Raises ValueError, KeyError or TypeError for what is no dump."""
        posterior = cls()
        posterior.score = ScoreShift.load(known["scores"])
        posterior.latency, posterior.cost, posterior.energy = (RatioMean(*known[name]) for name in ("latency", "cost", "energy"))
        return posterior
