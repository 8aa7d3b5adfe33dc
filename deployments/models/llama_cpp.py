"""The engine for GGUF files: llama.cpp in threads of the replica, meant for edge machines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING

from cluster.config import LlamaCppModel
from cluster.energy import EnergyMeter
from deployments.messages import Delta, FinishReason, GenerateRequest
from deployments.models.account import Account, Ledger
from deployments.models.base import Engine
from deployments.models.inbox import Inbox
from deployments.models.text import TextStream
from policies.errors import ConfigurationError, ContextTooLong, EngineFailed, InvalidRequest, IsthmusError

if TYPE_CHECKING:
    from deployments.models.llama_context import LlamaContext
    from deployments.models.llama_weights import LlamaWeights


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A request on its way through a worker thread."""

    request: GenerateRequest
    account: Account
    inbox: Inbox = field(default_factory=Inbox)
    stop: Event = field(default_factory=Event)


class LlamaCppEngine(Engine):
    """One copy of the weights, `contexts` contexts, and a thread for each: as many requests at once, the others wait."""

    def __init__(self, name: str, site: str, config: LlamaCppModel) -> None:
        self._name = name
        self._site = site
        self._config = config
        self._idle: SimpleQueue[LlamaContext] = SimpleQueue()
        self._jobs: set[_Job] = set()

    async def start(self) -> None:
        """Read the file and make the contexts."""
        await asyncio.to_thread(self._load)

    async def stop(self) -> None:
        """Stop all generation, then free contexts and weights."""
        for job in self._jobs:
            job.stop.set()
        await asyncio.to_thread(self._workers.shutdown)
        while not self._idle.empty():
            self._idle.get().close()
        self._weights.close()

    async def check(self) -> None:
        """The model lives in this process: it is well as long as the process is."""

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """All tokens that are ready come in one delta. A request that is closed while it waits costs nothing."""
        job = _Job(request, self._ledger.open())
        self._jobs.add(job)
        self._workers.submit(self._work, job)
        try:
            while True:
                delta = await job.inbox.take()
                yield delta
                if delta.finish_reason is not None:
                    return
        finally:
            job.stop.set()
            self._jobs.discard(job)

    def _load(self) -> None:
        from deployments.models.llama_context import LlamaContext
        from deployments.models.llama_weights import LlamaWeights

        config = self._config
        self._weights: LlamaWeights = LlamaWeights(config.path, config.gpu_layers)
        if config.context_tokens > self._weights.trained_context:
            raise ConfigurationError(
                f"models.{self._name}.context_tokens is {config.context_tokens}, but {config.path} was trained with "
                f"{self._weights.trained_context}; lower it."
            )
        for _ in range(config.contexts):
            self._idle.put(LlamaContext(self._weights, config.context_tokens, config.threads))
        meter = EnergyMeter.of_this_process(config.power, 1 / config.contexts, config.gpus)
        self._ledger = Ledger(self._name, self._site, config.price, meter)
        self._workers = ThreadPoolExecutor(config.contexts, thread_name_prefix=f"llama-{self._name}")

    def _work(self, job: _Job) -> None:
        if job.stop.is_set():
            return
        context = self._idle.get()  # never waits: there are as many contexts as threads
        try:
            job.account.begin()
            job.inbox.put(self._generate(job, context))
        except IsthmusError as error:
            job.inbox.fail(error)
        except Exception as error:
            job.inbox.fail(EngineFailed(self._name, f"{type(error).__name__}: {error}"))
        finally:
            job.account.end()
            self._idle.put(context)

    def _generate(self, job: _Job, context: LlamaContext) -> Delta:
        """Put the text into the job's inbox as it comes, all but the last delta, which is returned."""
        prompt = self._prompt(job.request)
        if job.request.fresh:
            context.forget()
        text = TextStream(job.request.sampling.stop)
        count, logprobs = 0, list[float]()
        finish_reason: FinishReason = "length"
        for token in context.generate(prompt, job.request.sampling, job.stop.is_set):
            count += 1
            if job.request.logprobs:
                logprobs.append(context.logprob(token))
            if self._weights.ends(token):
                finish_reason = "stop"
                break
            job.inbox.put(Delta(text.feed(self._weights.piece(token))))
            if text.stopped:
                finish_reason = "stop"
                break
        return Delta(text.end(), finish_reason, job.account.report(len(prompt), count, logprobs))

    def _prompt(self, request: GenerateRequest) -> list[int]:
        weights, wanted, room = self._weights, request.sampling.max_tokens, self._config.context_tokens
        prompt = weights.chat(request.messages) if request.prompt is None else weights.tokens(request.prompt)
        if not prompt:
            raise InvalidRequest("The prompt is empty; send some text.", "prompt")
        if len(prompt) + wanted > room:
            raise ContextTooLong(self._name, len(prompt), wanted, room)
        return prompt
