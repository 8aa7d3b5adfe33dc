"""The endpoints: from a visit to a response."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel
from starlette.responses import Response

from cluster.config import Config
from cluster.config.names import AUTO
from cluster.log import DecisionLog
from deployments.gateway import replies
from deployments.gateway.body import receive
from deployments.gateway.catalogue import Catalogue
from deployments.gateway.chooser import Chooser
from deployments.gateway.deadline import Deadline
from deployments.gateway.deciding import Deciding
from deployments.gateway.decisions import Decisions
from deployments.gateway.experiences import Experiences
from deployments.gateway.job import Answer, Job
from deployments.gateway.keys import Keys
from deployments.gateway.learning import Learning
from deployments.gateway.logged import entry
from deployments.gateway.measure import Measurer
from deployments.gateway.metrics import Metrics
from deployments.gateway.profiling import Profiling
from deployments.gateway.requests import ChatBody, CompletionBody, EmbeddingBody, GenerateBody
from deployments.gateway.runner import Runner
from deployments.gateway.shapes import Shape
from deployments.gateway.slo import read_slo
from deployments.gateway.stages import LightStages
from deployments.gateway.stepwise import Stepwise
from deployments.gateway.trial import Opened
from deployments.gateway.visit import Visit
from deployments.messages import Sampling
from policies.errors import DeadlineExceeded, InvalidRequest, IsthmusError, RequestError, ServiceError, UnknownModel
from policies.types import NONE, Decision, Path, Slo

B = TypeVar("B", bound=BaseModel)


class Api:
    """The endpoints of one gateway."""

    def __init__(
        self,
        config: Config,
        runner: Runner,
        stages: LightStages,
        metrics: Metrics,
        missing: Callable[[], list[str]],
        log: DecisionLog | None = None,
        keys: Keys | None = None,
        learning: Learning | None = None,
    ) -> None:
        """`missing` names what cannot be reached yet; dialogues are written into `log`, and `learning` hears what they took."""
        self._config = config
        self._runner = runner
        self._stages = stages
        self._metrics = metrics
        self._missing = missing
        self._log = log
        self._catalogue = Catalogue(config)
        self._decisions = Decisions()
        self.chooser = Chooser(config, self._catalogue, stages, runner.clients)
        self._stepwise = Stepwise(runner, self.chooser)
        self._learning = learning
        self._experiences = Experiences(self.chooser, keys or Keys(()), learning.note if learning else lambda experience: None)
        self.deciding = Deciding(config, self.chooser, runner.dispatch, self._decisions, log, self._experiences)
        self.profiling = Profiling(config, self._catalogue, Measurer(config, runner, stages))

    async def healthz(self, visit: Visit) -> Response:
        """The process lives."""
        return replies.Json({"status": "ok"})

    async def readyz(self, visit: Visit) -> Response:
        """Every model has a server that can be reached; 503 names those that have none. No request needs the orchestrator."""
        missing = self._missing()
        told: dict[str, Any] = {"status": "waiting" if missing else "ready", "missing": missing}
        if self._learning is not None:
            told["orchestrator"] = self._learning.status()
        return replies.Json(told, 503 if missing else 200)

    async def models(self, visit: Visit) -> Response:
        """Every name that `model` may have."""
        return replies.Json({"object": "list", "data": [self._catalogue.card(name) for name in self._catalogue.names]})

    async def model(self, visit: Visit) -> Response:
        """One of them."""
        return replies.Json(self._catalogue.card(visit.tail))

    async def embeddings(self, visit: Visit) -> Response:
        """Sentence vectors by the encoder that retrieval uses."""
        body = await self._read(visit, EmbeddingBody)
        known = (AUTO, self._config.stages.encoder)
        if body.model not in known:
            raise UnknownModel(body.model, known)
        visit.path, visit.site = "embeddings", self._config.cluster.head.name
        deadline = Deadline.of(read_slo(None, visit.headers.items()), visit.arrived_at, self._config.gateway.timeout_s)
        try:
            async with asyncio.timeout_at(deadline.at):
                pipeline = await self._stages.get()
                vectors = await pipeline.embed(body.input)
        except TimeoutError:
            raise DeadlineExceeded(deadline.limit_s, "embedding") from None
        if body.encoding_format == "base64":
            rows: list[object] = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors]
        else:
            rows = [row.tolist() for row in vectors]
        tokens = await asyncio.to_thread(pipeline.encoder.count, body.input)
        return replies.Json(replies.embeddings(self._config.stages.encoder, rows, tokens))

    async def chat(self, visit: Visit) -> Response:
        """Chat completions."""
        body = await self._read(visit, ChatBody)
        slo, deadline = self._limits(visit, body)
        choice = await self.chooser.choose(body.model, slo, body.dialogue, deadline)
        path = choice.decision.path
        if body.messages[-1].role != "user" and (path.preprocess, path.retrieve, path.refine) != (NONE, NONE, NONE):
            raise InvalidRequest(f"The last message must be the user's question for the path {path.name!r}.", "messages")
        sampling = _sampling(body, body.max_completion_tokens or body.max_tokens)
        job = Job(uuid.uuid4().hex, choice.decision, slo, deadline, sampling, body.dialogue, choice=choice)
        return await self._generate(visit, body, Shape("chat", job, path.name))

    async def completions(self, visit: Visit) -> Response:
        """Plain completions: the prompt goes to the model as it is."""
        body = await self._read(visit, CompletionBody)
        slo, deadline = self._limits(visit, body)
        decision = _without_stages(self._catalogue.decide(body.model, slo), pinned=body.model != AUTO)
        job = Job(uuid.uuid4().hex, decision, slo, deadline, _sampling(body, body.max_tokens), prompt=body.prompt)
        return await self._generate(visit, body, Shape("text", job, job.decision.path.name))

    async def _read(self, visit: Visit, kind: type[B]) -> B:
        return await receive(visit.receive, visit.arrived_at, self._config.gateway, kind)

    def _limits(self, visit: Visit, body: GenerateBody) -> tuple[Slo, Deadline]:
        slo = read_slo(body.slo, visit.headers.items())
        return slo, Deadline.of(slo, visit.arrived_at, self._config.gateway.timeout_s)

    async def _generate(self, visit: Visit, body: GenerateBody, shape: Shape) -> Response:
        job = shape.job
        visit.path = job.decision.path.name
        try:
            if not body.stream:
                answer = await self._stepwise.complete(job)
                record = self._settle(visit, job, answer)
                shape.model = answer.path.name
                return replies.Json(shape.whole(answer, record), headers=_headers(job, answer.path, answer.site))
            opened = await self._stepwise.open(job)
        except ServiceError as error:
            self._note_failure(job, error)
            raise
        visit.site, headers = opened.site, _headers(job, opened.path, opened.site)
        shape.model = visit.path = opened.path.name
        shape.usage_at_end = body.stream_options is not None and body.stream_options.include_usage
        if isinstance(opened, Answer):
            told = self._whole(visit, shape, opened)
            return replies.Events(told, told, headers)
        return replies.Events(self._events(visit, shape, opened), opened.rest, headers)

    async def _whole(self, visit: Visit, shape: Shape, answer: Answer) -> AsyncGenerator[bytes, None]:
        """A stream of one piece."""
        yield self._end(visit, shape, answer, answer.text, first=True)

    async def _events(self, visit: Visit, shape: Shape, opened: Opened) -> AsyncGenerator[bytes, None]:
        """The rest of the story after the status line: an error can only be told as an event."""
        try:
            first = True
            async with aclosing(opened.deltas()) as deltas:
                async for delta in deltas:
                    if delta.finish_reason is None:
                        yield replies.event(shape.piece(delta.text, None, first=first))
                        first = False
                        continue
                    yield self._end(visit, shape, self._runner.close(opened, delta), delta.text, first=first)
        except (RequestError, ServiceError, TimeoutError) as failure:
            job = shape.job
            error = DeadlineExceeded(job.deadline.limit_s, "generation") if isinstance(failure, TimeoutError) else failure
            visit.status = error.status
            self._note_failure(job, error)
            yield replies.event(replies.error_body(error))

    def _end(self, visit: Visit, shape: Shape, answer: Answer, text: str, *, first: bool) -> bytes:
        """The events that end a stream, whose last piece is `text`."""
        extra = {"isthmus": self._settle(visit, shape.job, answer)}
        last = shape.piece(text, answer.finish_reason, first=first)
        if shape.usage_at_end:
            return replies.event(last) + replies.event(shape.usage(answer) | extra) + replies.DONE
        return replies.event(last | extra) + replies.DONE

    def _settle(self, visit: Visit, job: Job, answer: Answer) -> dict[str, Any]:
        """Keep the account of a finished answer."""
        record = answer.record(job)
        visit.path, visit.site = answer.path.name, answer.site
        self._decisions.keep(job.decision_id, record, job.candidates)
        self._record(job, answer)
        self._experiences.answered(job, answer)
        if job.choice is not None:
            self.chooser.answered(job.choice, answer.text, answer.path)
        self._metrics.answer(answer.path.name, answer.site, answer.usage, answer.latency_s, answer.ttft_s)
        return record

    def _note_failure(self, job: Job, error: IsthmusError) -> None:
        record = {"decision_id": job.decision_id, "path": job.decision.path.name, "site": None, "reason": job.decision.reason}
        self._decisions.keep(job.decision_id, {**record, **replies.error_body(error)}, job.candidates)
        self._record(job, error)

    def _record(self, job: Job, outcome: Answer | IsthmusError) -> None:
        if self._log is not None and job.messages:
            self._log.put(entry(self._config.domain, job, outcome, time.time()))


def _sampling(body: GenerateBody, max_tokens: int | None) -> Sampling:
    return Sampling(
        max_tokens=max_tokens or 0,
        temperature=body.temperature or 0.0,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=body.seed,
        stop=body.stop or (),
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
    )


def _without_stages(decision: Decision, *, pinned: bool) -> Decision:
    """A raw prompt has no dialogue to rewrite and no place for passages: only the models of the paths count."""
    path = decision.path
    if pinned and path != Path(NONE, NONE, NONE, path.generate):
        raise InvalidRequest(
            f"The path {path.name!r} needs a dialogue; use /v1/chat/completions, or model {path.generate!r} for a raw prompt.",
            "model",
        )
    models = dict.fromkeys(p.generate for p in (path, *decision.fallbacks))
    first, *others = (Path(NONE, NONE, NONE, name) for name in models)
    return Decision(first, decision.reason, tuple(others))


def _headers(job: Job, path: Path, site: str) -> dict[str, str]:
    return {"x-isthmus-decision-id": job.decision_id, "x-isthmus-path": _ascii(path.name), "x-isthmus-site": site}


@lru_cache(maxsize=1024)
def _ascii(name: str) -> str:
    """Headers hold ASCII only; a model's name may not."""
    return quote(name, safe="/@:+,;=()[]> ")
