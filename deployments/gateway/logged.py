"""A request's entry in the decision log."""

from __future__ import annotations

import math
from typing import Literal

from cluster.log import Decided
from deployments.gateway.dialogues import asked
from deployments.gateway.job import Answer, Job
from policies.errors import IsthmusError
from policies.types import Prediction, Privacy


def entry(domain: str, job: Job, outcome: Answer | IsthmusError, at: float) -> Decided:
    """What is written of a dialogue's question at the time `at`, in seconds since 1970."""
    decision, private = job.decision, job.slo.privacy is Privacy.EDGE
    query = asked(job.messages)
    if isinstance(outcome, IsthmusError):
        error = type(outcome).__name__
        return Decided(
            job.decision_id, at, domain, query, private, decision.path.name, None, decision.reason, decision.feasible, error
        )
    predicted = job.predicted(outcome.path)
    return Decided(
        decision_id=job.decision_id,
        at=at,
        domain=domain,
        query=query,
        private=private,
        path=outcome.path.name,
        site=outcome.site,
        reason=outcome.reason,
        feasible=decision.feasible,
        slo_met=outcome.keeps(job.slo),
        latency_s=outcome.latency_s,
        wait_s=sum(report.wait_s for report in outcome.reports),
        ttft_s=outcome.ttft_s,
        cost_usd=outcome.cost_usd,
        energy_j=outcome.energy_j,
        predicted_accuracy=_known(predicted, "accuracy"),
        predicted_latency_s=_known(predicted, "latency_s"),
        predicted_cost_usd=_known(predicted, "cost_usd"),
        predicted_energy_j=_known(predicted, "energy_j"),
    )


def _known(prediction: Prediction | None, axis: Literal["accuracy", "latency_s", "cost_usd", "energy_j"]) -> float | None:
    value = math.nan if prediction is None else float(getattr(prediction, axis))
    return None if math.isnan(value) else value
