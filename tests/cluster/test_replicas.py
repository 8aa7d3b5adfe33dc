"""A cloud model on a real cluster goes from zero replicas to several and back, and nobody who asks it hangs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster.config import Config
from cluster.servers import servers
from deployments.messages import GenerateRequest, Sampling
from deployments.models.server import bind_server
from tests.cluster.conftest import TestCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

APPLICATION = "elastic"
WORDS = 20
CONFIG = Config.model_validate(
    {
        "cluster": {"sites": [{"name": "home", "tier": "edge"}, {"name": "cloud", "tier": "cloud"}]},
        "models": {
            "large": {
                "engine": "echo",
                "tier": "cloud",
                "cpus": 0.1,
                "tokens_per_s": 10,  # an answer takes two seconds
                "max_ongoing": 2,
                "scaling": {"max_replicas": 3, "startup_s": 2, "interval_s": 0.5},
            }
        },
    }
)


@pytest_asyncio.fixture
async def handle(cluster: TestCluster) -> AsyncIterator[DeploymentHandle[Any]]:
    (server,) = servers(CONFIG)
    yield await asyncio.to_thread(serve.run, bind_server(CONFIG, server), name=APPLICATION, route_prefix=None)
    await asyncio.to_thread(serve.delete, APPLICATION)


def ask(handle: DeploymentHandle[Any], name: str) -> Any:
    messages = ({"role": "user", "content": "word " * WORDS},)
    return handle.complete.remote(GenerateRequest(name, Sampling(64), messages=messages))  # type: ignore[arg-type]


async def running() -> int:
    status = await asyncio.to_thread(serve.status)
    return status.applications[APPLICATION].deployments["large@cloud"].replica_states.get("RUNNING", 0)


async def watch(seen: list[int], until: Callable[[int], bool]) -> None:
    """Note each number of running replicas until it is the wanted one; the test's time limit is the only other end."""
    while True:
        now = await running()
        if not seen or seen[-1] != now:
            seen.append(now)
        if until(now):
            return
        await asyncio.sleep(0.2)


async def test_from_zero_to_several_to_zero(handle: DeploymentHandle[Any]) -> None:
    seen: list[int] = []
    await watch(seen, lambda now: now == 0)
    answers = []

    async def load() -> None:
        for number in range(60):
            answers.append(asyncio.ensure_future(asyncio.wait_for(ask(handle, f"r{number}"), 120)))
            await asyncio.sleep(0.25)

    asking = asyncio.create_task(load())
    await watch(seen, lambda now: now >= 2)
    await asking
    completions = await asyncio.gather(*answers)
    assert all(completion.text.split() == ["word"] * WORDS for completion in completions)
    await watch(seen, lambda now: now == 0)
    assert seen[0] == 0
    assert max(seen) >= 2
    assert sum(a > b != b > c for a, b, c in zip(seen, seen[1:], seen[2:], strict=False)) <= 2, seen
    assert any(a > b for a, b in pairwise(seen))
