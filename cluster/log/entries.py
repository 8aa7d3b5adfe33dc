"""What is written into the log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decided:
    """One request. What was not predicted or not measured is None; a request without an answer has an `error`."""

    decision_id: str
    at: float
    """Seconds since 1970."""
    domain: str
    query: str
    """The question alone, as it was embedded."""
    private: bool
    """It must not leave the edge."""
    path: str
    site: str | None
    reason: str
    feasible: bool
    error: str | None = None
    slo_met: bool | None = None
    latency_s: float | None = None
    wait_s: float | None = None
    """Time in the queues of the stages, contained in `latency_s`."""
    ttft_s: float | None = None
    cost_usd: float | None = None
    energy_j: float | None = None
    predicted_accuracy: float | None = None
    predicted_latency_s: float | None = None
    predicted_cost_usd: float | None = None
    predicted_energy_j: float | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """How good an answer was, 0..1. The latest word about an answer counts."""

    decision_id: str
    at: float
    score: float


@dataclass(frozen=True, slots=True)
class Answered:
    """What feedback on an answer is about: its path, and the accuracy that was predicted, if it was."""

    path: str
    predicted_accuracy: float | None


Entry = Decided | Feedback
