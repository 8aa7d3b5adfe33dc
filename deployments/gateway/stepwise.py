"""Runs adaptive paths: the first part answers, and what it showed decides whether the other is asked as well.

Nobody hears of the first answer before that is decided, so a stream begins with the answer that counts, and none comes twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from deployments.gateway.chooser import Choice, Chooser
from deployments.gateway.job import Answer, Job
from deployments.gateway.runner import Runner
from deployments.gateway.trial import Opened
from deployments.shared import Shared
from policies.errors import RequestError, ServiceError
from policies.signals import Signals
from policies.steps import Spent, Step
from policies.types import Path

T = TypeVar("T")
_RESERVE_S = 0.02
"""Of the time limit, kept for handing out the first answer when the other does not come in time."""


class Stepwise:
    """A runner that also knows adaptive paths."""

    def __init__(self, runner: Runner, chooser: Chooser) -> None:
        self._runner = runner
        self._chooser = chooser

    async def complete(self, job: Job) -> Answer:
        """The whole answer. Raises RequestError, or ServiceError when no server and no path is left."""
        return await self._run(job, self._runner.complete)

    async def open(self, job: Job) -> Opened | Answer:
        """The answer as a stream, once its first piece is there; or whole, where it was before it could be told to anyone."""
        return await self._run(job, self._runner.open)

    async def _run(self, job: Job, finish: Callable[[Job], Awaitable[T]]) -> T | Answer:
        path, then, choice = job.decision.path, job.decision.path.then, job.choice
        if then is None or choice is None:
            return await finish(job)
        opening = _opening(job, path, then)
        first = await self._runner.complete(opening)
        if first.path != path.first:
            return first  # its server failed, and what the path would have gone on to has answered, or a fallback
        step = self._step(choice, first, job)
        first = replace(first, reason=f"{first.reason}; {step.why}")
        if not step.goes_on:
            return first
        try:
            return await finish(_going(opening, then, first))
        except (RequestError, ServiceError) as error:
            reason = f"{first.reason}; that failed ({type(error).__name__}), so the first answer stands"
            return replace(first, reason=reason, latency_s=_elapsed_s(job))

    def _step(self, choice: Choice, first: Answer, job: Job) -> Step:
        shown = Signals.joined(report.shown for report in first.reports)
        return self._chooser.step(choice, shown, Spent(first.cost_usd, first.energy_j), _elapsed_s(job))


def _elapsed_s(job: Job) -> float:
    return asyncio.get_running_loop().time() - job.deadline.arrived_at


def _opening(job: Job, path: Path, then: Path) -> Job:
    """The first part alone, with the other to fall back on."""
    others = (then, *(other for other in job.decision.fallbacks if other != then))
    return replace(job, decision=job.decision._replace(path=path.first, fallbacks=others), shared=Shared(), logprobs=True)


def _going(opening: Job, then: Path, first: Answer) -> Job:
    """The other part; there is no falling back from it but to the answer that is there already."""
    deadline = opening.deadline
    limit_s, first_s = (limit - _RESERVE_S for limit in (deadline.limit_s, deadline.first_token_limit_s))
    return replace(
        opening,
        decision=opening.decision._replace(path=then, fallbacks=(), reason=first.reason),
        deadline=replace(deadline, limit_s=limit_s, first_token_limit_s=first_s),
        logprobs=False,
        before=first,
    )
