"""An engine without a model: it says again what it was asked. For tests and benchmarks of everything around a model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator

from cluster.config import EchoModel
from cluster.energy import EnergyMeter
from deployments.messages import Delta, GenerateRequest
from deployments.models.account import Ledger
from deployments.models.base import Engine
from deployments.models.text import TextStream
from policies.errors import ContextTooLong

WORD = re.compile(r"\s*\S+|\s+$")


class EchoEngine(Engine):
    """Repeats the last user message, or the raw prompt. A word with the space before it counts as one token."""

    def __init__(self, name: str, site: str, config: EchoModel) -> None:
        self._name = name
        self._config = config
        meter = EnergyMeter.of_this_process(config.power, 1 / config.max_ongoing)
        self._ledger = Ledger(name, site, config.price, meter)

    async def start(self) -> None:
        """Nothing to load."""

    async def stop(self) -> None:
        """Nothing to free."""

    async def check(self) -> None:
        """An echo is always well."""

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Word by word at the configured speed, or everything at once without one."""
        prompt_tokens = self._prompt_tokens(request)
        question = _question(request)
        words = WORD.findall(question)
        said = words[: request.sampling.max_tokens]
        text = TextStream(request.sampling.stop)
        spoken = 0
        account = self._ledger.open()
        account.begin()
        try:
            await asyncio.sleep(self._config.delay_s)
            for piece in said if self._config.tokens_per_s else ["".join(said)]:
                if self._config.tokens_per_s:
                    await asyncio.sleep(1 / self._config.tokens_per_s)
                spoken += len(WORD.findall(piece))
                yield Delta(text.feed(piece.encode()))
                if text.stopped:
                    break
            rest = text.end()
            cut = len(said) < len(words) and not text.stopped
            yield Delta(rest, "length" if cut else "stop", account.report(prompt_tokens, spoken))
        finally:
            account.end()

    def _prompt_tokens(self, request: GenerateRequest) -> int:
        said = [request.prompt] if request.prompt is not None else [message["content"] for message in request.messages]
        tokens = sum(len(WORD.findall(text)) for text in said)
        wanted = request.sampling.max_tokens
        if tokens + wanted > self._config.context_tokens:
            raise ContextTooLong(self._name, tokens, wanted, self._config.context_tokens)
        return tokens


def _question(request: GenerateRequest) -> str:
    if request.prompt is not None:
        return request.prompt
    return next((message["content"] for message in reversed(request.messages) if message["role"] == "user"), "")
