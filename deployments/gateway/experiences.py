"""From answers and feedback to what the orchestrator learns about paths: measured beside what the profile alone predicts."""

from __future__ import annotations

from collections.abc import Callable

from cluster.log import Answered
from deployments.gateway.chooser import Chooser
from deployments.gateway.job import Answer, Job
from deployments.gateway.keys import Keys
from policies.experience import Experience, Rated, Took
from policies.types import Path


class Experiences:
    """Notes what can be learnt from; without a profile nothing was predicted, and there is nothing to note."""

    def __init__(self, chooser: Chooser, keys: Keys, note: Callable[[Experience], None]) -> None:
        """`keys` tells who sends feedback."""
        self._chooser = chooser
        self._keys = keys
        self._note = note

    def answered(self, job: Job, answer: Answer) -> None:
        """An answer by the path that was tried first. What was spent before the choice, or waiting, is not the path's. Of an
        adaptive path that went on nothing is learnt: how often it does is not what it takes when it does."""
        case = job.choice.case if job.choice else None
        predicted = job.predicted(answer.path)
        if case is None or predicted is None or answer.tries > 1 or answer.path.then is not None:
            return
        alone = case.by_profile(answer.path, predicted)
        waited_s = sum(report.wait_s for report in answer.reports)
        self._note(
            Took(
                profile=case.snapshot.fingerprint,
                path=answer.path.name,
                latency_s=answer.latency_s - waited_s - case.situation.elapsed_s,
                cost_usd=answer.cost_usd,
                energy_j=answer.energy_j,
                predicted_latency_s=alone.latency_s,
                predicted_cost_usd=alone.cost_usd,
                predicted_energy_j=alone.energy_j,
            )
        )

    def rated(self, about: Answered, authorization: bytes | None, score: float) -> None:
        """Somebody's word on an answer. What was predicted for it had the feedback of that time in it, which is about today's."""
        snapshot = self._chooser.snapshot
        path = Path.parse(about.path)
        if snapshot is None or about.predicted_accuracy is None or path.then is not None or path not in snapshot.places:
            return
        predicted = about.predicted_accuracy - self._chooser.shift(path)
        self._note(Rated(snapshot.fingerprint, path.name, self._keys.client(authorization), score, predicted))
