"""Runs a job: the stages of its path, then the model; the next server or path when one fails before its first word."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from cluster.config import Config, ModelConfig
from deployments.gateway.client import ModelClient
from deployments.gateway.dispatch import Dispatch
from deployments.gateway.fit import Prepared, fitting
from deployments.gateway.job import Answer, Job
from deployments.gateway.placement import Need, Placement
from deployments.gateway.stages import LightStages
from deployments.gateway.trial import Opened, Trial
from deployments.gateway.wire import size_of
from deployments.messages import Completion, Delta, GenerateRequest, Sampling
from deployments.prompts import Message
from policies.errors import (
    ContextTooLong,
    DeadlineExceeded,
    EngineFailed,
    EngineUnavailable,
    InfeasibleSlo,
    Overloaded,
    ServiceError,
)
from policies.experience import ANSWER, PREPROCESS
from policies.space import parameter
from policies.types import NONE, OnInfeasible, Path

T = TypeVar("T")
_FIRST_SHARE = 0.7
"""Share of the remaining time that a server may take while another could still answer: the last one needs time too."""
_CARE = 1.25
"""Times what is expected that a server may take in any case."""


class Runner:
    """Executes jobs on the servers. Nothing of an answer is ever taken from two servers."""

    def __init__(
        self, config: Config, clients: Sequence[ModelClient], stages: LightStages, dispatch: Dispatch | None = None
    ) -> None:
        """`dispatch` chooses among `clients`; one without a profile if none is given."""
        self._config = config
        self._stages = stages
        self.dispatch = dispatch or Dispatch(config, clients)
        self._links = {client.server.site: client.link.describe() for client in clients if client.link}

    @property
    def clients(self) -> Mapping[str, Sequence[ModelClient]]:
        """The servers of all that may answer (`Config.options`), in the order of the configuration."""
        return self.dispatch.clients

    async def complete(self, job: Job) -> Answer:
        """The whole answer. Raises RequestError, or ServiceError when no server and no path is left."""

        async def attempt(trial: Trial, prepared: Prepared) -> Answer:
            if job.slo.max_ttft_s is None:
                return await fitting(prepared, partial(self._complete, job, trial))
            return await self._collect(job, await fitting(prepared, partial(self._open, job, trial)))

        return await self._first_that_works(job, attempt)

    async def open(self, job: Job) -> Opened:
        """The answer as a stream, once its first piece is there. Raises as `complete` does."""

        async def attempt(trial: Trial, prepared: Prepared) -> Opened:
            return await fitting(prepared, partial(self._open, job, trial))

        return await self._first_that_works(job, attempt)

    def close(self, opened: Opened, last: Delta) -> Answer:
        """The account of a stream whose `last` piece has come."""
        return self._answer(opened.job, opened.trial, opened.prepared, opened.completion(last), opened.ttft_s)

    async def ask(self, name: str, request: GenerateRequest, until: float, service: int = ANSWER) -> Completion:
        """The answer of `name` at the best site that gives one. Raises what the last refusal was."""
        failure: Exception = EngineUnavailable(name, "it has no server")
        request = replace(request, mode=parameter(name))
        tried: list[ModelClient] = []
        need = Need(service, size_of(request), request.sampling.max_tokens, until)
        while (placement := self.dispatch.place(name, need, tried)) is not None:
            tried.append(placement.client)
            try:
                return await placement.client.complete(request, until, placement)
            except (Overloaded, ServiceError) as error:
                self.dispatch.refused(name, error)
                failure = error
        raise failure

    async def _collect(self, job: Job, opened: Opened) -> Answer:
        async with aclosing(opened.deltas()) as deltas:
            async for delta in deltas:
                if delta.finish_reason is not None:
                    return self.close(opened, delta)
        raise EngineFailed(opened.trial.client.server.model, "its stream ended without a finish reason")

    async def _first_that_works(self, job: Job, attempt: Callable[[Trial, Prepared], Awaitable[T]]) -> T:
        paths = (job.decision.path, *job.decision.fallbacks)
        course = _Course(job.decision.reason)
        for number, path in enumerate(paths, start=1):
            others = sum(self.dispatch.turns(other.generate) for other in paths[number:])
            try:
                return await self._by(path, job, attempt, course, others)
            except _Exhausted:
                continue
        raise course.failure or EngineUnavailable(job.decision.path.generate, "it has no server")

    async def _by(
        self, path: Path, job: Job, attempt: Callable[[Trial, Prepared], Awaitable[T]], course: _Course, others: int
    ) -> T:
        """By one path, at one of its model's servers after the other. Raises _Exhausted when none has answered.

        `others` are the tries that are left with other paths.
        """
        turns = self.dispatch.turns(path.generate)
        tried: list[ModelClient] = []
        placement: Placement | None = None
        prepared: Prepared | None = None
        while len(tried) < turns:
            is_last = len(tried) + 1 == turns and not others
            try:
                if prepared is None:
                    prepared = await self._prepare(job, path, _share(job.deadline.first_token_at, is_last))
                placement = self.dispatch.place(path.generate, self._need(path, job, prepared), tried)
                if placement is None:
                    break
                tried.append(placement.client)
                return await attempt(_trial(job, path, placement, course, is_last), prepared)
            except ContextTooLong as too_long:
                course.failed(path, placement, too_long)
                break  # the model's other servers read no more; another path's model may
            except TimeoutError:
                error: Exception = _too_late(job, path)
            except (Overloaded, ServiceError, InfeasibleSlo) as refused:
                error = refused
            if _now() >= job.deadline.first_token_at:
                raise _too_late(job, path)
            self.dispatch.refused(path.generate, error)
            course.failed(path, placement, error)
            if placement is None:
                break  # the stages before the model failed, or no server would be in time
            placement = None
        raise _Exhausted

    def _need(self, path: Path, job: Job, prepared: Prepared) -> Need:
        model, slo = self._config.model_of(path.generate), job.slo
        limited = slo.max_latency_s is not None
        strict = limited and slo.on_infeasible is OnInfeasible.REJECT
        size = size_of(_request(job, path, model, prepared))
        return Need(ANSWER, size, job.sampling_for(model).max_tokens, job.deadline.at, limited, strict)

    async def _complete(self, job: Job, trial: Trial, prepared: Prepared) -> Answer:
        request = _request(job, trial.path, trial.client.model, prepared)
        completion = await trial.client.complete(request, trial.until, trial.placement)
        return self._answer(job, trial, prepared, completion, None)

    async def _open(self, job: Job, trial: Trial, prepared: Prepared) -> Opened:
        request = _request(job, trial.path, trial.client.model, prepared)
        deltas = trial.client.stream(request, trial.first_until, job.deadline.at, trial.placement)
        try:
            first = await anext(deltas)
        except BaseException:
            await deltas.aclose()
            raise
        return Opened(job, trial, prepared, _now() - job.deadline.arrived_at, first, deltas)

    def _answer(self, job: Job, trial: Trial, prepared: Prepared, completion: Completion, ttft_s: float | None) -> Answer:
        reports = job.account((*prepared.reports, completion.report))
        return Answer(
            completion.text,
            completion.finish_reason,
            job.ran(trial.path),
            trial.client.server.site,
            f"{trial.reason}; {completion.report.note}" if completion.report.note else trial.reason,
            reports,
            prepared.passages,
            next(filter(None, (report.link or self._links.get(report.site) for report in reports)), None),
            _now() - job.deadline.arrived_at,
            ttft_s,
            trial.number,
        )

    async def _prepare(self, job: Job, path: Path, until: float) -> Prepared:
        if (path.preprocess, path.retrieve, path.refine) == (NONE, NONE, NONE) or job.prompt is not None:
            return Prepared(job.messages)

        async def ask(messages: Sequence[Message]) -> Completion:
            return await self._ask(job, tuple(messages), until)

        pipeline = await self._stages.get()
        async with asyncio.timeout_at(until):
            prompt = await pipeline.prepare(path, job.messages, ask, job.shared)
        return Prepared(prompt.messages, prompt.dialogue, prompt.passages, prompt.reports)

    async def _ask(self, job: Job, messages: tuple[Message, ...], until: float) -> Completion:
        """Put a preprocessor's question to the configured model."""
        name = self._config.preprocess_model
        request = GenerateRequest(job.decision_id, Sampling(self._config.model_of(name).max_tokens), messages)
        return await self.ask(name, request, until, PREPROCESS)


class _Exhausted(Exception):
    """No server of a path has answered."""


@dataclass(slots=True)
class _Course:
    """What a job has met so far."""

    reason: str
    failure: Exception | None = None
    failures: int = 0

    def failed(self, path: Path, placement: Placement | None, error: Exception) -> None:
        """Overload is told although what was tried next failed otherwise: the caller can do something about it."""
        self.failures += 1
        self.failure = self.failure if isinstance(self.failure, Overloaded) else error
        site = f" at {placement.client.server.site}" if placement else ""
        self.reason = f"{self.reason}; {path.name}{site} did not answer ({type(error).__name__})"


def _trial(job: Job, path: Path, placement: Placement, course: _Course, is_last: bool) -> Trial:
    why = f"{course.reason}; {placement.reason}" if placement.reason else course.reason
    first_until = _share(job.deadline.first_token_at, is_last)
    until = _share(job.deadline.at, is_last, placement.expected_s)
    return Trial(path, placement, why, first_until, until, course.failures + 1)


def _share(end: float, is_last: bool, expected_s: float | None = None) -> float:
    """When a try must be done that has until `end` if it is the last, else a part of the time.

    A server that is expected to need more than that part is not given up in the middle of an answer that would come in time.
    """
    now = _now()
    if is_last:
        return end
    return min(end, now + max(_FIRST_SHARE * (end - now), _CARE * (expected_s or 0.0)))


def _request(job: Job, path: Path, model: ModelConfig, prepared: Prepared) -> GenerateRequest:
    mode = parameter(path.generate)
    sampling = job.sampling_for(model)
    return GenerateRequest(job.decision_id, sampling, prepared.messages, job.prompt, mode=mode, logprobs=job.logprobs)


def _too_late(job: Job, path: Path) -> DeadlineExceeded:
    waited_s = _now() - job.deadline.arrived_at
    limit_s = job.deadline.limit_s if waited_s >= job.deadline.limit_s else job.deadline.first_token_limit_s
    return DeadlineExceeded(limit_s, f"generation by {path.generate}")


def _now() -> float:
    return asyncio.get_running_loop().time()
