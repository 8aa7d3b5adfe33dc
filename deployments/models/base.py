"""The contract of a model engine, and the registry of engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing

from deployments.messages import Completion, Delta, GenerateRequest


class Engine(ABC):
    """Generates text with one model in one process. Instances live inside a `ModelServer` replica.

    Implementations never block the event loop, count their own tokens, seconds, cost and energy, and
    stop computing soon after the generator is closed or the task is cancelled. That is also how a request's
    `timeout_s` ends it: `delivery`, between an engine and its callers, keeps the time.
    """

    @abstractmethod
    async def start(self) -> None:
        """Load the model. Raises ConfigurationError if the file is missing or is not such a model."""

    @abstractmethod
    def stream(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Yield the text as it is generated; the last delta has `finish_reason` and `report`.

        Raises ContextTooLong or InvalidRequest before the first delta, EngineFailed when the model fails.
        """

    async def complete(self, request: GenerateRequest) -> Completion:
        """The whole text at once; raises as `stream` does."""
        text: list[str] = []
        async with aclosing(self.stream(request)) as deltas:
            async for delta in deltas:
                text.append(delta.text)
                if delta.finish_reason is not None and delta.report is not None:
                    return Completion("".join(text), delta.finish_reason, delta.report)
        raise RuntimeError("the stream of an engine ended without a finish reason")

    @abstractmethod
    async def check(self) -> None:
        """Raise if the engine can no longer answer; called by Serve's health check."""

    @abstractmethod
    async def stop(self) -> None:
        """Free what `start` took."""
