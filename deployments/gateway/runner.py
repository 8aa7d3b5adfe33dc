"""Runs a job: the stages of its path, then the model; the next server or path when one fails before its first word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from cluster.config import Config
from deployments.gateway.client import ModelClient
from deployments.gateway.fit import Prepared, fitting
from deployments.gateway.job import Answer, Job
from deployments.gateway.stages import LightStages
from deployments.messages import Completion, Delta, FinishReason, GenerateRequest, Sampling, StageReport
from deployments.prompts import Message
from policies.errors import DeadlineExceeded, EngineFailed, EngineUnavailable, Overloaded, ServiceError
from policies.types import NONE, Path

T = TypeVar("T")
_FIRST_SHARE = 0.7
"""Share of the remaining time that a server may take while another could still answer: the last one needs time too."""


@dataclass(slots=True)
class Trial:
    """One server that may answer a job, by one path."""

    path: Path
    client: ModelClient
    first_until: float = 0.0
    """When its first word must be there."""
    until: float = 0.0
    """When its answer must be complete, if it comes in one piece."""


@dataclass(slots=True)
class Opened:
    """A stream whose first piece is there: from here on the answer is this server's, whatever happens."""

    trial: Trial
    prepared: Prepared
    reason: str
    ttft_s: float
    deltas: AsyncGenerator[Delta, None]
    """All pieces, the first one included."""
    text: list[str] = field(default_factory=list)


class Runner:
    """Executes jobs on the servers. Nothing of an answer is ever taken from two servers."""

    def __init__(self, config: Config, clients: Sequence[ModelClient], stages: LightStages) -> None:
        self._config = config
        self._stages = stages
        self._clients: Mapping[str, list[ModelClient]] = {
            name: [client for client in clients if client.server.model == name] for name in config.models
        }

    async def complete(self, job: Job) -> Answer:
        """The whole answer. Raises RequestError, or ServiceError when no server and no path is left."""

        async def attempt(trial: Trial, reason: str) -> Answer:
            prepared = await self._prepare(job, trial)
            if job.slo.max_ttft_s is None:
                return await fitting(prepared, partial(self._complete, job, trial, reason))
            return await self.collect(job, await fitting(prepared, partial(self._open, job, trial, reason)))

        return await self._first_that_works(job, attempt)

    async def open(self, job: Job) -> Opened:
        """The answer as a stream, once its first piece is there. Raises as `complete` does."""

        async def attempt(trial: Trial, reason: str) -> Opened:
            return await fitting(await self._prepare(job, trial), partial(self._open, job, trial, reason))

        return await self._first_that_works(job, attempt)

    async def collect(self, job: Job, opened: Opened) -> Answer:
        """Read `opened` to its end."""
        async with aclosing(opened.deltas) as deltas:
            async for delta in deltas:
                opened.text.append(delta.text)
                if delta.finish_reason is not None:
                    return self.close(job, opened, delta)
        raise EngineFailed(opened.trial.client.server.model, "its stream ended without a finish reason")

    def close(self, job: Job, opened: Opened, last: Delta) -> Answer:
        """The account of a stream whose `last` piece has come."""
        completion = Completion("".join(opened.text), _finish(last), _report(last, opened.trial))
        return self._answer(job, opened.trial, opened.prepared, completion, opened.reason, opened.ttft_s)

    async def _first_that_works(self, job: Job, attempt: Callable[[Trial, str], Awaitable[T]]) -> T:
        trials = self._trials(job)
        reason = job.decision.reason
        failure: Exception | None = None
        for trials_left, trial in zip(range(len(trials) - 1, -1, -1), trials, strict=True):
            self._allot(job, trial, is_last=trials_left == 0)
            try:
                return await attempt(trial, reason)
            except TimeoutError:
                error: Exception = self._too_late(job, trial)
            except (Overloaded, ServiceError) as refused:
                error = refused
            failure = failure if isinstance(failure, Overloaded) else error
            reason = f"{reason}; {trial.path.name} at {trial.client.server.site} did not answer ({type(error).__name__})"
            if asyncio.get_running_loop().time() >= job.deadline.first_token_at:
                raise self._too_late(job, trial)
        raise failure or EngineUnavailable(job.decision.path.generate, "it has no server")

    def _trials(self, job: Job) -> list[Trial]:
        """Servers in the order to try them; one with replicas to spare is asked again after losing one."""
        trials: list[Trial] = []
        for path in (job.decision.path, *job.decision.fallbacks):
            for client in self._clients[path.generate]:
                trials += [Trial(path, client)] * (2 if client.running > 1 else 1)
        return trials

    def _allot(self, job: Job, trial: Trial, *, is_last: bool) -> None:
        now = asyncio.get_running_loop().time()
        share = 1.0 if is_last else _FIRST_SHARE
        trial.first_until = now + share * (job.deadline.first_token_at - now)
        trial.until = now + share * (job.deadline.at - now)

    async def _complete(self, job: Job, trial: Trial, reason: str, prepared: Prepared) -> Answer:
        completion = await trial.client.complete(_request(job, trial, prepared), trial.until)
        return self._answer(job, trial, prepared, completion, reason, None)

    async def _open(self, job: Job, trial: Trial, reason: str, prepared: Prepared) -> Opened:
        deltas = trial.client.stream(_request(job, trial, prepared), trial.first_until, job.deadline.at)
        try:
            first = await anext(deltas)
        except BaseException:
            await deltas.aclose()
            raise
        ttft_s = asyncio.get_running_loop().time() - job.deadline.arrived_at
        return Opened(trial, prepared, reason, ttft_s, _with_first(first, deltas))

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
        """Put a preprocessor's question to the configured model, at the first site where it answers."""
        name = self._config.preprocess_model
        failure: Exception = EngineUnavailable(name, "it has no server")
        request = GenerateRequest(job.decision_id, Sampling(self._config.models[name].max_tokens), messages)
        for client in self._clients[name]:
            try:
                return await client.complete(request, until)
            except (Overloaded, ServiceError) as error:
                failure = error
        raise failure

    def _answer(
        self, job: Job, trial: Trial, prepared: Prepared, completion: Completion, reason: str, ttft_s: float | None
    ) -> Answer:
        return Answer(
            completion.text,
            completion.finish_reason,
            trial.path,
            trial.client.server.site,
            reason,
            (*prepared.reports, completion.report),
            prepared.passages,
            trial.client.link.describe() if trial.client.link else None,
            asyncio.get_running_loop().time() - job.deadline.arrived_at,
            ttft_s,
        )

    def _too_late(self, job: Job, trial: Trial) -> DeadlineExceeded:
        waited_s = asyncio.get_running_loop().time() - job.deadline.arrived_at
        limit_s = job.deadline.limit_s if waited_s >= job.deadline.limit_s else job.deadline.first_token_limit_s
        return DeadlineExceeded(limit_s, f"generation by {trial.client.server.model}")


def _request(job: Job, trial: Trial, prepared: Prepared) -> GenerateRequest:
    return GenerateRequest(job.decision_id, job.sampling_for(trial.client.model), prepared.messages, job.prompt)


async def _with_first(first: Delta, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[Delta, None]:
    async with aclosing(deltas):
        yield first
        async for delta in deltas:
            yield delta


def _finish(last: Delta) -> FinishReason:
    return last.finish_reason or "stop"


def _report(last: Delta, trial: Trial) -> StageReport:
    if last.report is None:
        raise EngineFailed(trial.client.server.model, "its stream ended without a report")
    return last.report
