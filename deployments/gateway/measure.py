"""Measuring many paths of one query: what the Emulator (ECO-LLM, arXiv 2507.09003) asks of a running gateway.

The paths form a trie: a stage that several of them share runs once, and what it took is added to each of them. Latency is what a
caller would wait without queues: the stages, the link and the calls between processes, but no time in a queue. Energy and cost
are the engines' own accounts.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from cluster.config import Config
from cluster.energy import EnergySource
from deployments.gateway.fit import Prepared, fitting
from deployments.gateway.runner import Runner
from deployments.gateway.stages import LightStages
from deployments.messages import Completion, GenerateRequest, Sampling, StageReport
from deployments.prompts import Message, question_of
from deployments.shared import Shared, Spent
from policies.errors import DeadlineExceeded, IsthmusError, RequestError, ServiceError
from policies.signals import Signals
from policies.types import Path


@dataclass(frozen=True, slots=True)
class Measured:
    """One path on one query. `spent` is the part of it that no earlier path had run already."""

    path: Path
    answer: str
    latency_s: float
    cost_usd: float
    energy_j: float
    energy_source: EnergySource
    spent: Spent
    signals: Signals


@dataclass(frozen=True, slots=True)
class Failed:
    """A path that gave no answer."""

    path: Path
    error: IsthmusError


class Measurer:
    """Runs paths one after the other; it is for its caller to have several queries measured at once."""

    def __init__(self, config: Config, runner: Runner, stages: LightStages) -> None:
        self._config = config
        self._runner = runner
        self._stages = stages

    async def measure(self, dialogue: Sequence[Message], paths: Sequence[Path]) -> AsyncGenerator[Measured | Failed, None]:
        """Yield each of `paths` once it has run. Closing it stops the engine."""
        pipeline = await self._stages.get()
        # Choosing a path needs the question's vector, so it is there before any path begins.
        await asyncio.to_thread(pipeline.encoder.encode_one, question_of(dialogue))
        shared = Shared()
        for path in paths:
            try:
                yield await self._one(path, dialogue, shared)
            except TimeoutError:
                yield Failed(path, DeadlineExceeded(self._config.gateway.timeout_s, "measuring"))
            except (RequestError, ServiceError) as error:
                yield Failed(path, error)

    async def _one(self, path: Path, dialogue: Sequence[Message], shared: Shared) -> Measured:
        before = shared.spent
        until = asyncio.get_running_loop().time() + self._config.gateway.timeout_s

        async def ask(messages: Sequence[Message]) -> Completion:
            return await self._ask(self._config.preprocess_model, tuple(messages), until)

        async def generate() -> tuple[str, tuple[StageReport, ...]]:
            completion = await fitting(prepared, lambda fitted: self._ask(path.generate, fitted.messages, until, sure=True))
            return completion.text, (completion.report,)

        pipeline = await self._stages.get()
        async with asyncio.timeout_at(until):
            prompt = await pipeline.prepare(path, dialogue, ask, shared)
        prepared = Prepared(prompt.messages, prompt.dialogue, prompt.passages, prompt.reports)
        # Two paths may ask a model the very same thing, as when a rewriting changes nothing: that is a shared stage, too.
        ran = await shared.once((path.generate, json.dumps(prompt.messages)), generate)
        whole = Spent.on(prompt.seconds + ran.seconds, prompt.reports + ran.reports)
        reports = prompt.reports + ran.reports
        source: EnergySource = "measured" if all(report.energy_source == "measured" for report in reports) else "modelled"
        spent, signals = shared.spent - before, Signals.joined(report.shown for report in reports)
        return Measured(path, ran.value, whole.seconds, whole.cost_usd, whole.energy_j, source, spent, signals)

    async def _ask(self, model: str, messages: tuple[Message, ...], until: float, sure: bool = False) -> Completion:
        sampling = Sampling(self._config.model_of(model).max_tokens)
        request = GenerateRequest(uuid.uuid4().hex, sampling, messages, fresh=True, logprobs=sure)
        return await self._runner.ask(model, request, until)
