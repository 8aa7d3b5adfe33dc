"""The engine at the edge of a split model."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import torch
from ray.serve.handle import DeploymentHandle

from cluster.config import SplitModel
from cluster.config.sites import Link as LinkConfig
from cluster.energy import EnergyMeter
from cluster.link import EmulatedLink
from deployments.messages import Delta, FinishReason, GenerateRequest, Sampling, StageReport
from deployments.models.account import Account, Ledger
from deployments.models.base import Engine
from deployments.models.split.answer import Answer, By
from deployments.models.split.checkpoint import Checkpoint
from deployments.models.split.delayed import DelayedLink
from deployments.models.split.draw import Draw
from deployments.models.split.edge import EdgePart
from deployments.models.split.errors import StateError
from deployments.models.split.link import Link
from deployments.models.split.load import device_for, dtype_of, partition_of, wire_of
from deployments.models.split.ray_link import RayLink
from deployments.models.split.socket_link import SocketLink
from deployments.models.split.speaker import Speaker
from deployments.models.split.vocabulary import Vocabulary
from deployments.models.text import TextStream
from policies.errors import ConfigurationError, ContextTooLong, EngineFailed, InvalidRequest


class SplitEngine(Engine):
    """All answers share the passes of one thread; `wait_s` is zero, since whoever comes joins the next pass."""

    def __init__(
        self, name: str, site: str, config: SplitModel, cloud: DeploymentHandle[Any] | None, link: LinkConfig | None
    ) -> None:
        """`cloud` is the deployment of the other part, None if that is at `cloud.url`. What goes there crosses `link`, if one
        is emulated.
        """
        self._name = name
        self._site = site
        self._config = config
        self._cloud = cloud
        self._emulated = EmulatedLink(link) if link else None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"split-{name}")
        # One thread, since a Hugging Face tokenizer must not be used by two at a time.
        self._tokenizing = ThreadPoolExecutor(1, thread_name_prefix=f"tokenize-{name}")

    async def start(self) -> None:
        """Load layers 1..b. Raises ConfigurationError when checkpoint, exits and tokenizer do not fit."""
        config = self._config
        part = await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        link = self._connect()
        self._link = DelayedLink(link, self._emulated) if self._emulated else link
        self._speaker = Speaker(part, self._thread, self._link, wire_of(config))
        meter = EnergyMeter.of_this_process(config.power, gpus=config.gpus)
        self._ledgers = {
            mode: Ledger(f"{self._name}@{mode}", self._site, config.price, meter) for mode in dict.fromkeys(config.modes)
        }

    async def stop(self) -> None:
        """Hang up, and let the threads end."""
        await self._link.close()
        for thread in (self._thread, self._tokenizing):
            thread.shutdown(wait=False, cancel_futures=True)

    async def check(self) -> None:
        """The edge's part lives in this process, and answers without the cloud's."""

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Token by token, or all that the cloud has confirmed at once."""
        mode = request.mode or self._config.modes[0]
        account = self._ledgers[mode].open()
        prompt = await asyncio.get_running_loop().run_in_executor(self._tokenizing, self._prompt, request)
        account.begin()
        sampling = request.sampling
        answer = Answer(
            self._speaker,
            prompt,
            _draw(sampling),
            self._config.mode(mode),
            sampling.max_tokens,
            self._vocabulary.ends,
            request.timeout_s,
        )
        text, piece = TextStream(sampling.stop), self._vocabulary.reader()
        finish_reason: FinishReason = "length"
        try:
            async with aclosing(answer.tokens()) as tokens:
                async for said in tokens:
                    if said.token in self._vocabulary.ends:
                        finish_reason = "stop"
                        break
                    yield Delta(text.feed(piece(said.token)))
                    if text.stopped:
                        finish_reason = "stop"
                        break
            yield Delta(text.end(), finish_reason, self._report(account, answer, len(prompt)))
        except StateError as error:
            raise EngineFailed(self._name, str(error)) from error
        finally:
            account.end()

    def _report(self, account: Account, answer: Answer, prompt_tokens: int) -> StageReport:
        """Energy of both parts; cost for what the cloud did."""
        tally, traffic, price = answer.tally, answer.traffic, self._config.price
        report = account.report(prompt_tokens, sum(tally.by.values()))
        usd = tally.cloud_positions * price.prompt_usd_per_mtok + tally.by[By.CLOUD] * price.completion_usd_per_mtok
        alone = tally.by[By.ALONE]
        return replace(
            report,
            cost_usd=usd / 1e6,
            energy_j=report.energy_j + traffic.cloud_j,
            up_bytes=traffic.up,
            down_bytes=traffic.down,
            link=self._emulated.describe() if self._emulated and traffic.up else None,
            note=f"{alone} of {report.completion_tokens} tokens without the cloud ({tally.why})" if alone else None,
        )

    def _connect(self) -> Link:
        cloud = self._config.cloud
        if self._cloud is not None:
            return RayLink(self._cloud)
        if cloud.url is None:
            raise ConfigurationError(f"models.{self._name} has neither a part in the cloud nor the url of one.")
        key = os.environ.get(cloud.key_env, "").strip() if cloud.key_env else None
        if key == "":
            raise ConfigurationError(f"models.{self._name}.cloud.key_env names {cloud.key_env}, but that variable holds no key.")
        return SocketLink(cloud.url, key)

    def _load(self) -> EdgePart:
        config = self._config
        torch.set_num_threads(config.threads)
        checkpoint = Checkpoint(config.path)
        trained = checkpoint.config.max_position_embeddings
        if config.context_tokens > trained:
            raise ConfigurationError(
                f"models.{self._name}.context_tokens is {config.context_tokens}, but {config.path} was trained with {trained}; "
                "lower it."
            )
        self._vocabulary = Vocabulary(config.path)
        partition, device = partition_of(config, checkpoint), device_for(config.gpus)
        return EdgePart(checkpoint, partition, config.exits, wire_of(config), dtype_of(config), device)

    def _prompt(self, request: GenerateRequest) -> list[int]:
        prompt = self._vocabulary.prompt(request)
        wanted, room = request.sampling.max_tokens, self._config.context_tokens
        if not prompt:
            raise InvalidRequest("The prompt is empty; send some text.", "prompt")
        if len(prompt) + wanted > room:
            raise ContextTooLong(self._name, len(prompt), wanted, room)
        return prompt


def _draw(sampling: Sampling) -> Draw:
    seed = secrets.randbits(64) if sampling.seed is None else sampling.seed % 2**64
    return Draw(sampling.temperature, sampling.top_p, sampling.presence_penalty, sampling.frequency_penalty, seed)
