"""Runs a job: the stages of its path, then the model; the next server or path when one fails before its first word."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TypeVar

from cluster.config import Config
from deployments.gateway.client import ModelClient
from deployments.gateway.fit import Prepared, fitting
from deployments.gateway.job import Answer, Job
from deployments.gateway.stages import LightStages
from deployments.gateway.trial import Opened, Trial
from deployments.messages import Completion, Delta, GenerateRequest, Sampling
from deployments.prompts import Message
from policies.errors import DeadlineExceeded, EngineFailed, EngineUnavailable, Overloaded, ServiceError
from policies.space import option, parameter
from policies.types import NONE, Path

T = TypeVar("T")
_FIRST_SHARE = 0.7
"""Share of the remaining time that a server may take while another could still answer: the last one needs time too."""


class Runner:
    """Executes jobs on the servers. Nothing of an answer is ever taken from two servers."""

    def __init__(self, config: Config, clients: Sequence[ModelClient], stages: LightStages) -> None:
        self._config = config
        self._stages = stages
        self._clients: Mapping[str, list[ModelClient]] = {
            name: [client for client in clients if client.server.model == option(name)] for name in config.options
        }
        self._links = {client.server.site: client.link.describe() for client in clients if client.link}

    @property
    def clients(self) -> Mapping[str, Sequence[ModelClient]]:
        """The servers of all that may answer (`Config.options`), in the order in which they are asked."""
        return self._clients

    async def complete(self, job: Job) -> Answer:
        """The whole answer. Raises RequestError, or ServiceError when no server and no path is left."""

        async def attempt(trial: Trial) -> Answer:
            prepared = await self._prepare(job, trial)
            if job.slo.max_ttft_s is None:
                return await fitting(prepared, partial(self._complete, job, trial))
            return await self._collect(job, await fitting(prepared, partial(self._open, job, trial)))

        return await self._first_that_works(job, attempt)

    async def open(self, job: Job) -> Opened:
        """The answer as a stream, once its first piece is there. Raises as `complete` does."""

        async def attempt(trial: Trial) -> Opened:
            return await fitting(await self._prepare(job, trial), partial(self._open, job, trial))

        return await self._first_that_works(job, attempt)

    def close(self, job: Job, opened: Opened, last: Delta) -> Answer:
        """The account of a stream whose `last` piece has come."""
        return self._answer(job, opened.trial, opened.prepared, opened.completion(last), opened.ttft_s)

    async def ask(self, name: str, request: GenerateRequest, until: float) -> Completion:
        """The answer of `name` at the first site that gives one. Raises what the last refusal was."""
        failure: Exception = EngineUnavailable(name, "it has no server")
        request = replace(request, mode=parameter(name))
        for client in self._clients[name]:
            try:
                return await client.complete(request, until)
            except (Overloaded, ServiceError) as error:
                failure = error
        raise failure

    async def _collect(self, job: Job, opened: Opened) -> Answer:
        async with aclosing(opened.deltas()) as deltas:
            async for delta in deltas:
                if delta.finish_reason is not None:
                    return self.close(job, opened, delta)
        raise EngineFailed(opened.trial.client.server.model, "its stream ended without a finish reason")

    async def _first_that_works(self, job: Job, attempt: Callable[[Trial], Awaitable[T]]) -> T:
        servers = self._servers(job)
        reason = job.decision.reason
        failure: Exception | None = None
        for position, (path, client) in enumerate(servers, start=1):
            trial = _trial(job, path, client, reason, is_last=position == len(servers))
            try:
                return await attempt(trial)
            except TimeoutError:
                error: Exception = _too_late(job, trial)
            except (Overloaded, ServiceError) as refused:
                error = refused
            if _now() >= job.deadline.first_token_at:
                raise _too_late(job, trial)
            failure = failure if isinstance(failure, Overloaded) else error
            reason = f"{reason}; {path.name} at {client.server.site} did not answer ({type(error).__name__})"
        raise failure or EngineUnavailable(job.decision.path.generate, "it has no server")

    def _servers(self, job: Job) -> list[tuple[Path, ModelClient]]:
        """Whom to ask, in this order; a server with replicas to spare is asked again after losing one."""
        return [
            (path, client)
            for path in (job.decision.path, *job.decision.fallbacks)
            for client in self._clients[path.generate]
            for _ in range(2 if client.running > 1 else 1)
        ]

    async def _complete(self, job: Job, trial: Trial, prepared: Prepared) -> Answer:
        completion = await trial.client.complete(_request(job, trial, prepared), trial.until)
        return self._answer(job, trial, prepared, completion, None)

    async def _open(self, job: Job, trial: Trial, prepared: Prepared) -> Opened:
        deltas = trial.client.stream(_request(job, trial, prepared), trial.first_until, job.deadline.at)
        try:
            first = await anext(deltas)
        except BaseException:
            await deltas.aclose()
            raise
        return Opened(trial, prepared, _now() - job.deadline.arrived_at, first, deltas)

    def _answer(self, job: Job, trial: Trial, prepared: Prepared, completion: Completion, ttft_s: float | None) -> Answer:
        reports = (*prepared.reports, completion.report)
        return Answer(
            completion.text,
            completion.finish_reason,
            trial.path,
            trial.client.server.site,
            f"{trial.reason}; {completion.report.note}" if completion.report.note else trial.reason,
            reports,
            prepared.passages,
            next(filter(None, (report.link or self._links.get(report.site) for report in reports)), None),
            _now() - job.deadline.arrived_at,
            ttft_s,
        )

    async def _prepare(self, job: Job, trial: Trial) -> Prepared:
        path = trial.path
        if (path.preprocess, path.retrieve, path.refine) == (NONE, NONE, NONE) or job.prompt is not None:
            return Prepared(job.messages)

        async def ask(messages: Sequence[Message]) -> Completion:
            return await self._ask(job, tuple(messages), trial.first_until)

        pipeline = await self._stages.get()
        async with asyncio.timeout_at(trial.first_until):
            prompt = await pipeline.prepare(path, job.messages, ask)
        return Prepared(prompt.messages, prompt.dialogue, prompt.passages, prompt.reports)

    async def _ask(self, job: Job, messages: tuple[Message, ...], until: float) -> Completion:
        """Put a preprocessor's question to the configured model."""
        name = self._config.preprocess_model
        request = GenerateRequest(job.decision_id, Sampling(self._config.model_of(name).max_tokens), messages)
        return await self.ask(name, request, until)


def _trial(job: Job, path: Path, client: ModelClient, reason: str, *, is_last: bool) -> Trial:
    now, share = _now(), 1.0 if is_last else _FIRST_SHARE
    first_until = now + share * (job.deadline.first_token_at - now)
    return Trial(path, client, reason, first_until, now + share * (job.deadline.at - now))


def _request(job: Job, trial: Trial, prepared: Prepared) -> GenerateRequest:
    sampling = job.sampling_for(trial.client.model)
    return GenerateRequest(job.decision_id, sampling, prepared.messages, job.prompt, mode=parameter(trial.path.generate))


def _too_late(job: Job, trial: Trial) -> DeadlineExceeded:
    waited_s = _now() - job.deadline.arrived_at
    limit_s = job.deadline.limit_s if waited_s >= job.deadline.limit_s else job.deadline.first_token_limit_s
    return DeadlineExceeded(limit_s, f"generation by {trial.client.server.model}")


def _now() -> float:
    return asyncio.get_running_loop().time()
