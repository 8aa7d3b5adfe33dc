"""Stand-ins for Ray and for time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any

from cluster.config import EchoModel, ModelConfig
from cluster.servers import Server
from deployments.gateway.client import ModelClient
from deployments.messages import Completion, Delta, GenerateRequest, StageReport
from policies.signals import Signals
from policies.types import Tier

REPORT = StageReport("generate", "fake", "home", 0.01, prompt_tokens=3, completion_tokens=2, cost_usd=0.5, energy_j=2.0)


class FakeReplica:
    """Says `text` word by word. `fault`, if set, is raised before the word of number `fault_at`; `hang` never speaks."""

    def __init__(
        self, text: str = "a fine answer", fault: Exception | None = None, fault_at: int = 0, hang: bool = False
    ) -> None:
        self.text, self.fault, self.fault_at, self.hang = text, fault, fault_at, hang
        self.requests: list[GenerateRequest] = []
        self.cancelled = 0
        self.healthy = True
        self.report = REPORT

    async def complete(self, request: GenerateRequest) -> Completion:
        self.requests.append(request)
        if self.hang:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        shown = Signals(mean_logprob=-0.1, least_logprob=-0.5, tokens=2) if request.logprobs else Signals(tokens=2)
        return Completion(self.text, "stop", replace(self.report, shown=shown))

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        if self.hang:
            await asyncio.Event().wait()
        words = self.text.split(" ")
        for number, word in enumerate(words):
            if self.fault is not None and number == self.fault_at:
                raise self.fault
            yield Delta(word if number == 0 else f" {word}")
        yield Delta("", "stop", replace(self.report))

    async def check_health(self) -> None:
        if not self.healthy:
            raise RuntimeError("this replica is not well")


class FakeResponse:
    """What Ray gives back for a call: awaitable or iterable, and cancellable."""

    def __init__(self, replica: FakeReplica, work: Any) -> None:
        self._replica, self._work = replica, work

    def __await__(self) -> Any:
        return self._work.__await__()

    def __aiter__(self) -> FakeResponse:
        return self

    async def __anext__(self) -> Delta:
        return await anext(self._work)  # type: ignore[no-any-return]

    def cancel(self) -> None:
        self._replica.cancelled += 1


class FakeMethod:
    """`handle.method`, to be called by `.remote(...)`."""

    def __init__(self, replica: FakeReplica, method: Callable[..., Any]) -> None:
        self._replica, self._method = replica, method

    def remote(self, *arguments: Any) -> FakeResponse:
        return FakeResponse(self._replica, self._method(*arguments))


class FakeHandle:
    """A deployment handle to one `FakeReplica`."""

    def __init__(self, replica: FakeReplica) -> None:
        self.complete = FakeMethod(replica, replica.complete)
        self.stream = FakeMethod(replica, replica.stream)
        self.check_health = FakeMethod(replica, replica.check_health)

    def options(self, *, stream: bool) -> FakeHandle:
        return self


def client_of(
    replica: FakeReplica,
    name: str = "small",
    site: str = "home",
    tier: Tier = "edge",
    model: ModelConfig | None = None,
    **rest: Any,
) -> ModelClient:
    """A client whose Ray is `replica`."""
    model = model or EchoModel(engine="echo", tier=tier)
    return ModelClient(Server(name, site, tier, tier), model, FakeHandle(replica), **rest)  # type: ignore[arg-type]


async def until(condition: Callable[[], object]) -> None:
    """Let other tasks run until `condition` holds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come to that")
