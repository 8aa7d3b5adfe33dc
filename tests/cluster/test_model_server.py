"""Model servers on a real cluster: where they run, what arrives, what stops, what happens when one dies."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster.config import Config
from cluster.servers import servers
from deployments.messages import Completion, GenerateRequest, Sampling
from deployments.models import server as server_module
from deployments.models.failures import unwrap
from deployments.models.server import bind_server
from policies.errors import ContextTooLong, DeadlineExceeded, EngineUnavailable, Overloaded
from tests.cluster.conftest import TestCluster
from tests.cluster.probe import ProbedServer, State

pytestmark = pytest.mark.cluster

CONFIG = Config.model_validate(
    {
        "cluster": {"sites": [{"name": "home", "tier": "edge"}, {"name": "cloud", "tier": "cloud"}]},
        "models": {
            "small": {"engine": "echo", "cpus": 0.1, "context_tokens": 40, "max_tokens": 8},
            "large": {"engine": "echo", "tier": "cloud", "cpus": 0.1, "tokens_per_s": 200},
            "slow": {"engine": "echo", "tier": "cloud", "cpus": 0.1, "tokens_per_s": 20, "context_tokens": 100_000},
            "narrow": {"engine": "echo", "cpus": 0.1, "delay_s": 0.5, "max_ongoing": 1, "max_queued": 1},
        },
    }
)
Handles = dict[str, DeploymentHandle[Any]]


@pytest.fixture(scope="module")
def handles(cluster: TestCluster) -> Iterator[Handles]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_module, "ModelServer", ProbedServer)
        targets = [serve.RunTarget(bind_server(CONFIG, s), name=s.model, route_prefix=None) for s in servers(CONFIG)]
    started = serve.run_many(targets)
    yield dict(zip(CONFIG.models, started, strict=True))
    for name in CONFIG.models:
        serve.delete(name)


def ask(text: str, max_tokens: int = 8, timeout_s: float | None = None) -> GenerateRequest:
    messages = ({"role": "user", "content": text},)
    return GenerateRequest("r1", Sampling(max_tokens), messages=messages, timeout_s=timeout_s)  # type: ignore[arg-type]


LONG = ask("word " * 20_000, max_tokens=50_000)


async def state_of(handle: DeploymentHandle[Any]) -> State:
    return await handle.state.remote()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what must happen; the test's own time limit is the only other way out."""
    while not await condition():  # noqa: ASYNC110  the other process cannot set an event of ours
        await asyncio.sleep(0.05)


async def test_replicas_run_where_their_labels_say(handles: Handles):
    small, large = await state_of(handles["small"]), await state_of(handles["large"])
    assert (small.labels["tier"], small.labels["site"]) == ("edge", "home")
    assert (large.labels["tier"], large.labels["site"]) == ("cloud", "cloud")


async def test_a_completion_arrives_with_its_report(handles: Handles):
    answer: Completion = await handles["small"].complete.remote(ask("turn on the lamp"))
    assert (answer.text, answer.finish_reason) == ("turn on the lamp", "stop")
    assert (answer.report.option, answer.report.site, answer.report.completion_tokens) == ("small", "home", 4)


async def test_a_stream_arrives_in_fewer_messages_than_tokens(handles: Handles):
    words = " ".join(f"w{i}" for i in range(60))
    deltas = [d async for d in handles["large"].options(stream=True).stream.remote(ask(words, max_tokens=100))]
    assert "".join(delta.text for delta in deltas) == words
    assert deltas[0].text.startswith("w0")
    assert deltas[-1].report.completion_tokens == 60
    assert len(deltas) < 60


@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_errors_arrive_as_themselves(handles: Handles, way: str):
    with pytest.raises(Exception) as caught:  # noqa: PT011  what Ray makes of it is its own affair
        await call(handles["small"], ask("one two", max_tokens=64), way)
    error = unwrap(caught.value, "small")
    assert type(error) is ContextTooLong
    assert (error.prompt_tokens, error.max_tokens, error.context_tokens) == (2, 64, 40)


@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_a_deadline_ends_the_generation_in_the_replica(handles: Handles, way: str):
    before = await state_of(handles["slow"])
    with pytest.raises(Exception) as caught:  # noqa: PT011
        await call(handles["slow"], ask("word " * 5000, max_tokens=5000, timeout_s=0.3), way)
    assert type(unwrap(caught.value, "slow")) is DeadlineExceeded
    assert (await state_of(handles["slow"])).ended == before.ended + 1


async def test_cancelling_a_stream_stops_the_tokens(handles: Handles):
    before = await state_of(handles["slow"])
    deltas = handles["slow"].options(stream=True).stream.remote(LONG)
    await anext(deltas)
    deltas.cancel()
    await stopped(handles["slow"], before)


async def test_cancelling_the_task_that_awaits_a_completion_stops_the_tokens(handles: Handles):
    before = await state_of(handles["slow"])
    response = handles["slow"].complete.remote(LONG)

    async def begun() -> bool:
        return (await state_of(handles["slow"])).begun > before.begun

    await until(begun)
    response.cancel()
    await stopped(handles["slow"], before)


async def test_a_full_queue_is_refused_and_the_others_are_served(handles: Handles):
    answers = await asyncio.gather(*(handles["narrow"].complete.remote(ask("hello")) for _ in range(6)), return_exceptions=True)
    refused = [unwrap(answer, "narrow") for answer in answers if isinstance(answer, Exception)]
    assert refused
    assert all(type(error) is Overloaded and error.limit == 1 for error in refused)
    assert [answer.text for answer in answers if isinstance(answer, Completion)] == ["hello"] * (6 - len(refused))
    assert len(refused) < 6


async def test_the_death_of_a_replica_is_told_and_mended(handles: Handles):
    deltas = handles["slow"].options(stream=True).stream.remote(LONG)
    await anext(deltas)
    dead = await state_of(handles["slow"])
    os.kill(dead.pid, signal.SIGKILL)
    with pytest.raises(Exception) as caught:  # noqa: PT011
        async for _ in deltas:
            pass
    assert type(unwrap(caught.value, "slow")) is EngineUnavailable

    async def mended() -> bool:
        try:
            return (await asyncio.wait_for(state_of(handles["slow"]), 5)).pid != dead.pid
        except Exception:
            return False

    await until(mended)
    assert (await handles["slow"].complete.remote(ask("again"))).text == "again"


async def call(handle: DeploymentHandle[Any], request: GenerateRequest, way: str) -> None:
    if way == "complete":
        await handle.complete.remote(request)
    else:
        async for _ in handle.options(stream=True).stream.remote(request):
            pass


async def stopped(handle: DeploymentHandle[Any], before: State) -> None:
    """The generation has ended, long before its 20,000 words were said, and no more tokens come."""

    async def ended() -> bool:
        return (await state_of(handle)).ended > before.ended

    await until(ended)
    said = (await state_of(handle)).said
    assert said - before.said < 20_000
    await asyncio.sleep(0.3)
    assert (await state_of(handle)).said == said
