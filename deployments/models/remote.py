"""The engine for any OpenAI-compatible service: another Isthmus site, a hosted model, a server of one's own."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

from openai import (
    APIConnectionError,
    APIStatusError,
    AsyncOpenAI,
    AuthenticationError,
    BadRequestError,
    Omit,
    PermissionDeniedError,
    RateLimitError,
    Timeout,
    UnprocessableEntityError,
)

from cluster.config import RemoteModel
from cluster.energy import EnergyMeter
from deployments.messages import Delta, FinishReason, GenerateRequest, Sampling
from deployments.models.account import Ledger
from deployments.models.base import Engine
from policies.errors import ConfigurationError, EngineFailed, EngineUnavailable, InvalidRequest, IsthmusError, RateLimited

CONNECT_TIMEOUT_S = 5.0
"""A connection that takes longer than this is a link that is down."""
RETRY_AFTER_S = 5.0
"""For a 429 that names no time."""
_UNSUPPORTED = ("unsupported_parameter", "unsupported_value")
_AVOIDABLE = frozenset(("max_tokens", "temperature"))
BYTES_PER_TOKEN = 4
"""For services that report no usage: the rule of thumb for English text."""


@dataclass(slots=True)
class _Progress:
    """What has come of an answer."""

    prompt_tokens: int
    completion_bytes: int = 0
    completion_tokens: int | None = None
    finish_reason: FinishReason | None = None


class RemoteEngine(Engine):
    """Streams from the service; its client tries again, with growing and jittered pauses or the service's own
    Retry-After, as long as no byte of an answer has come. Energy is modelled from the configured power of the device.

    Reasoning models of OpenAI refuse `max_tokens`, which is all that most other services know, and any temperature but
    their own: what a service has refused once is written otherwise from then on.
    """

    def __init__(self, name: str, site: str, config: RemoteModel) -> None:
        self._name = name
        self._config = config
        self._ledger = Ledger(name, site, config.price, EnergyMeter(config.power, 1 / config.max_ongoing))
        self._refused: frozenset[str] = frozenset()

    async def start(self) -> None:
        """Read the key. Raises ConfigurationError if its environment variable is not set."""
        variable = self._config.api_key_env
        key = os.environ.get(variable) if variable else None
        if variable and not key:
            raise ConfigurationError(
                f"models.{self._name}.api_key_env names {variable}, but no such environment variable is set."
            )
        self._headers = {} if key else {"Authorization": Omit()}
        self._client = AsyncOpenAI(
            base_url=self._config.base_url,
            api_key=key or "none",
            timeout=Timeout(self._config.timeout_s, connect=min(CONNECT_TIMEOUT_S, self._config.timeout_s)),
            max_retries=self._config.retries,
        )

    async def stop(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def check(self) -> None:
        """The client is well even while the service is not: a new replica would not mend that."""

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Each piece as the service sends it. Tokens are the service's own count, or estimated if it gives none."""
        account = self._ledger.open()
        account.begin()
        progress = _Progress(prompt_tokens=_bytes(request) // BYTES_PER_TOKEN)
        try:
            chunks = await self._open(request)
            async with chunks:
                async for text in self._read(chunks, progress):
                    yield Delta(text)
        except (IsthmusError, GeneratorExit):
            raise
        except Exception as error:
            raise self._meaning(error, progress) from error
        finally:
            account.end()
        if progress.finish_reason is None:
            raise EngineFailed(self._name, f"{self._config.base_url} ended its answer early or sent none in the OpenAI format")
        tokens = progress.completion_tokens
        if tokens is None:
            tokens = progress.completion_bytes // BYTES_PER_TOKEN
        yield Delta("", progress.finish_reason, account.report(progress.prompt_tokens, tokens))

    async def _open(self, request: GenerateRequest) -> Any:
        while True:
            refused = self._refused
            try:
                return await self._create(request, refused)
            except BadRequestError as error:
                if error.code not in _UNSUPPORTED or error.param not in _AVOIDABLE - refused:
                    raise
                self._refused |= {error.param}

    async def _create(self, request: GenerateRequest, refused: frozenset[str]) -> Any:
        options: dict[str, Any] = {
            "model": self._config.model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "extra_headers": self._headers,
            **_options(request.sampling, refused if request.prompt is None else frozenset()),
        }
        if request.prompt is not None:
            return await self._client.completions.create(prompt=request.prompt, **options)
        return await self._client.chat.completions.create(messages=cast(Any, request.messages), **options)

    async def _read(self, chunks: AsyncIterator[Any], progress: _Progress) -> AsyncGenerator[str, None]:
        async for chunk in chunks:
            if chunk.usage is not None:
                progress.prompt_tokens = chunk.usage.prompt_tokens
                progress.completion_tokens = chunk.usage.completion_tokens
            for choice in chunk.choices:
                text = choice.text if hasattr(choice, "text") else choice.delta.content
                if choice.finish_reason is not None:
                    progress.finish_reason = "length" if choice.finish_reason == "length" else "stop"
                if text:
                    progress.completion_bytes += len(text.encode())
                    yield text

    def _meaning(self, error: Exception, progress: _Progress) -> IsthmusError:
        where = self._config.base_url
        if progress.completion_bytes:
            return EngineFailed(self._name, f"{where} broke off after {progress.completion_bytes} bytes ({_cause(error)})")
        if isinstance(error, AuthenticationError | PermissionDeniedError):
            return EngineFailed(self._name, f"{where} answered {error.status_code}; {self._key_advice()}")
        if isinstance(error, RateLimitError):
            return RateLimited(self._name, _retry_after(error))
        if isinstance(error, BadRequestError | UnprocessableEntityError):
            return InvalidRequest(f"{self._name} does not accept the request: {error.message}")
        if isinstance(error, APIStatusError) and error.status_code < 500:
            return EngineFailed(self._name, f"{where} answered {error.status_code}: {error.message}")
        if isinstance(error, APIStatusError | APIConnectionError):
            tries = self._config.retries + 1
            return EngineUnavailable(self._name, f"{where} failed {tries} {'time' if tries == 1 else 'times'}: {_cause(error)}")
        return EngineFailed(self._name, f"{where} sent what is not in the OpenAI format ({_cause(error)})")

    def _key_advice(self) -> str:
        variable = self._config.api_key_env
        if variable:
            return f"check the key in the environment variable {variable}"
        return f"name the environment variable with the key as models.{self._name}.api_key_env"


def _options(sampling: Sampling, refused: frozenset[str]) -> dict[str, Any]:
    """Fields that differ from the API's defaults; some services refuse those that they do not know."""
    limit = "max_completion_tokens" if "max_tokens" in refused else "max_tokens"
    options: dict[str, Any] = {limit: sampling.max_tokens}
    if sampling.temperature or "temperature" not in refused:  # a temperature that was asked for is not dropped in silence
        options["temperature"] = sampling.temperature
    if sampling.top_p != 1.0:
        options["top_p"] = sampling.top_p
    if sampling.seed is not None:
        options["seed"] = sampling.seed
    if sampling.stop:
        options["stop"] = list(sampling.stop)
    if sampling.presence_penalty:
        options["presence_penalty"] = sampling.presence_penalty
    if sampling.frequency_penalty:
        options["frequency_penalty"] = sampling.frequency_penalty
    return options


def _bytes(request: GenerateRequest) -> int:
    texts = [request.prompt] if request.prompt is not None else [message["content"] for message in request.messages]
    return sum(len(text.encode(errors="replace")) for text in texts)


def _cause(error: BaseException) -> str:
    """The innermost reason, since a client's own says only that there was a connection error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


def _retry_after(error: RateLimitError) -> float:
    value = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        return RETRY_AFTER_S
