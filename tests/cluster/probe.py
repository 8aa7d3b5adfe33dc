"""A `ModelServer` that tells what goes on inside its replica."""

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import ray

from deployments.messages import Delta, GenerateRequest
from deployments.models.server import ModelServer
from deployments.models.split.server import SplitCloud


@dataclass(frozen=True, slots=True)
class State:
    """A look into a replica."""

    labels: dict[str, str]
    pid: int
    said: int
    """Deltas that the engine has generated."""
    begun: int
    """Requests that reached the engine."""
    ended: int
    """Requests whose generation has ended, one way or another."""


class ProbedServer(ModelServer):
    """The real server around an engine whose doings are counted."""

    async def __init__(self, *args: Any) -> None:  # type: ignore[misc]
        await super().__init__(*args)  # type: ignore[misc]
        self.said = self.begun = self.ended = 0
        self.inner = self._engine.stream
        self._engine.stream = self.counted  # type: ignore[method-assign]

    async def counted(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        self.begun += 1
        try:
            async with aclosing(self.inner(request)) as deltas:
                async for delta in deltas:
                    self.said += 1
                    yield delta
        finally:
            self.ended += 1

    async def state(self) -> State:
        labels = ray.get_runtime_context().get_node_labels()
        return State(labels, os.getpid(), self.said, self.begun, self.ended)


class ProbedCloud(SplitCloud):
    """The real part of a split model, which tells where it is."""

    async def labels(self) -> dict[str, str]:
        return ray.get_runtime_context().get_node_labels()
