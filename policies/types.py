"""The frozen types that every room of the house speaks in.

Units are in the names: seconds `_s`, US dollars `_usd`, joules `_j`. Accuracy is a share, 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Tier = Literal["edge", "cloud"]
NONE = "none"
GOES_ON = ">"
"""Between the two parts of an adaptive path's name."""


class Privacy(StrEnum):
    """How far a query may travel."""

    ANY = "any"
    EDGE = "edge"


class OnInfeasible(StrEnum):
    """What to do when no path keeps every limit: take the best there is, refuse, or take the cheapest."""

    BEST_EFFORT = "best_effort"
    REJECT = "reject"
    CHEAPEST = "cheapest"


@dataclass(frozen=True, slots=True)
class Slo:
    """The caller's limits for one query; None means no limit. Times count from the arrival of the request."""

    max_latency_s: float | None = None
    max_ttft_s: float | None = None
    max_cost_usd: float | None = None
    min_accuracy: float | None = None
    max_energy_j: float | None = None
    privacy: Privacy = Privacy.ANY
    on_infeasible: OnInfeasible = OnInfeasible.BEST_EFFORT


@dataclass(frozen=True, slots=True)
class Path:
    """What to run for a query: one option for each of the four stages (ECO-LLM, arXiv 2507.09003).

    Options carry their parameters after an `@`, as in `hybrid@5`; `generate` names a configured model. An adaptive path has
    another one to go on to, `then`, if what the first part shows calls for it.
    """

    preprocess: str
    retrieve: str
    refine: str
    generate: str
    then: Path | None = None

    @property
    def name(self) -> str:
        """The form in which callers pin a path: `rewrite/hybrid@5/rerank/cloud`, an adaptive one `FIRST>THEN`."""
        first = f"{self.preprocess}/{self.retrieve}/{self.refine}/{self.generate}"
        return first if self.then is None else f"{first}{GOES_ON}{self.then.name}"

    @property
    def first(self) -> Path:
        """The part that always runs: the path itself unless it is adaptive."""
        return self if self.then is None else replace(self, then=None)

    @classmethod
    def parse(cls, name: str) -> Path:
        """The inverse of `name`. A model's own name may hold slashes. Raises ValueError when stages are missing."""
        first, goes_on, then = name.partition(GOES_ON)
        stages = first.split("/", 3)
        if len(stages) != 4 or not all(stages):
            raise ValueError(f"{name!r} is not preprocess/retrieve/refine/generate")
        preprocess, retrieve, refine, generate = stages
        return cls(preprocess, retrieve, refine, generate, cls.parse(then) if goes_on else None)


@dataclass(frozen=True, slots=True)
class Query:
    """A question with the dialogue before it, as the gateway received it."""

    query_id: str
    text: str
    dialogue: tuple[str, ...] = ()
    domain: str = ""


class Prediction(NamedTuple):
    """What is expected of one path for one query: means for ranking, the 90th percentile for limits."""

    path: Path
    accuracy: float
    latency_s: float
    latency_p90_s: float
    cost_usd: float
    energy_j: float


class Decision(NamedTuple):
    """The chosen path and why; `fallbacks` are the next best, in the order in which to try them."""

    path: Path
    reason: str
    fallbacks: Sequence[Path] = ()
    predicted: Prediction | None = None
    feasible: bool = True
    dropped: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one path did for one query: a row of `outcomes.parquet`. None means not measured, never zero."""

    query_id: str
    path: str
    accuracy: float | None = None
    latency_s: float | None = None
    cost_usd: float | None = None
    energy_j: float | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """Measurements of a domain as arrays of shape (queries, paths); NaN where a cell was not measured."""

    query_ids: tuple[str, ...]
    queries: tuple[str, ...]
    paths: tuple[str, ...]
    accuracy: npt.NDArray[np.float64]
    latency_s: npt.NDArray[np.float64]
    cost_usd: npt.NDArray[np.float64]
    energy_j: npt.NDArray[np.float64]
