"""What gateways tell the orchestrator, and what it tells them: small frozen types, pickled a few times a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.posterior import Correction
from policies.scaling import Demand
from policies.schedule.arms import ArmTotals, Lesson
from policies.schedule.belief import Belief

ANSWER, PREPROCESS = 0, 1
SERVICES = 2
"""The service classes: answers, and what preprocessors ask of a model. Their lengths differ, and so do the times they take."""


@dataclass(frozen=True, slots=True)
class Served:
    """An outcome at one of the servers of `model`."""

    model: str
    lesson: Lesson


@dataclass(frozen=True, slots=True)
class Took:
    """What a path took where nothing else had failed before, beside what the profile alone predicts; NaN is unknown."""

    profile: str
    """Which profile predicted, see `cluster.snapshot`."""
    path: str
    latency_s: float
    cost_usd: float
    energy_j: float
    predicted_latency_s: float
    predicted_cost_usd: float
    predicted_energy_j: float


@dataclass(frozen=True, slots=True)
class Rated:
    """Somebody's word about an answer, from 0 to 1."""

    profile: str
    path: str
    client: str
    score: float
    predicted: float
    """The accuracy that the profile alone predicts for the question on this path."""


Experience = Served | Took | Rated


@dataclass(frozen=True, slots=True)
class Batch:
    """What one gateway has to tell. The same experience may be told again, always under the same number."""

    gateway: str
    first: int
    """Number of the first of `experiences`; the others follow."""
    oldest: int
    """Number of the oldest that the gateway still has."""
    experiences: tuple[Experience, ...]
    known: int
    """Version of what it has learnt so far."""
    servers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names of each model's servers, which lessons count through."""
    outstanding: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Requests that it has at each of them."""
    demand: Mapping[str, Demand] = field(default_factory=dict)
    """What it has counted for each model since it started."""


@dataclass(frozen=True, slots=True)
class FleetState:
    """What is known of one model's servers, in the order of `servers`."""

    servers: tuple[str, ...]
    belief: Belief
    arms: ArmTotals


@dataclass(frozen=True, slots=True)
class Learned:
    """Everything learnt so far, to be used instead of an earlier version."""

    version: int
    fleets: Mapping[str, FleetState]
    corrections: Mapping[str, Mapping[str, Correction]]
    """By profile and path."""
