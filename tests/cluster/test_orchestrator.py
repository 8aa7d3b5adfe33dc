"""Three edge sites, a gateway and the orchestrator on a real Ray: it is killed in mid-load, and no request notices."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import pytest
import ray
from ray import serve

from cluster.config import Config
from cluster.orchestrator.handle import NAMESPACE, actor_name, end
from deployments.app import build
from tests.cluster.conftest import TestCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

APPLICATION = "town"
SITES = ("home", "barn", "mill")
QUESTION = "which of the three lamps in the hall is on now"
REQUESTS = 40
"""More than a site takes before another is as good: half of its 34 places."""


@dataclass(frozen=True, slots=True)
class Town:
    """The running application."""

    url: str
    learned: str
    """The database of what is learnt."""


@pytest.fixture(scope="module")
def town(cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    learned = f"sqlite:///{tmp_path_factory.mktemp('state')}/learned.db"
    nodes = [cluster.add(site) for site in SITES[1:]]
    config = Config.model_validate(
        {
            "cluster": {"sites": [{"name": site, "tier": "edge"} for site in SITES]},
            "gateway": {"cpus": 0.1},
            "models": {"small": {"engine": "echo", "cpus": 0.1, "tokens_per_s": 20, "max_ongoing": 2, "max_queued": 32}},
            "learning": {"url": learned},
            "log": None,
        }
    )
    try:
        serve.run(build(config), name=APPLICATION, route_prefix="/")
        yield Town(f"http://127.0.0.1:{cluster.http_port}", learned)
    finally:
        serve.delete(APPLICATION)
        end(APPLICATION, learned)
        for node in nodes:
            cluster.remove(node)


async def ask(client: httpx.AsyncClient, number: int) -> dict[str, Any]:
    body = {"model": "small", "messages": [{"role": "user", "content": f"{QUESTION} {number}"}], "slo": {"max_latency_s": 60}}
    response = await client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    assert answer["choices"][0]["message"]["content"] == f"{QUESTION} {number}"
    return answer["isthmus"]  # type: ignore[no-any-return]


async def told(client: httpx.AsyncClient) -> dict[str, Any]:
    orchestrator: dict[str, Any] = (await client.get("/readyz")).json()["orchestrator"]
    return orchestrator


async def until_all_are_seen(client: httpx.AsyncClient) -> int:
    """How many requests it took until the gateway, which looks now and then, had seen replicas at every site."""
    while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    requests = 1
    while f" of {len(SITES)}: " not in (await ask(client, 0))["reason"]:
        requests += 1
        await asyncio.sleep(0.1)
    return requests


async def until_learnt(client: httpx.AsyncClient, outcomes: int) -> dict[str, Any]:
    """The test's own time limit is the only other way out."""
    while (now := await told(client))["saved_version"] < outcomes or now["state"] != "there" or now["waiting"]:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    return now


def orchestrator_pid() -> int:
    (process,) = (p for p in psutil.process_iter(["cmdline"]) if _is_ours(p))
    return process.pid


def _is_ours(process: psutil.Process) -> bool:
    """Of this test's cluster: others may run beside it."""
    try:
        titled = " ".join(process.info["cmdline"] or ()).startswith("ray::_OrchestratorActor")
        folder = os.environ["RAY_TMPDIR"]
        return titled and any(file.path.startswith(folder) for file in process.open_files())
    except psutil.Error:
        return False


async def test_requests_use_several_sites_and_a_killed_orchestrator_costs_none(town: Town) -> None:
    async with httpx.AsyncClient(base_url=town.url, timeout=90, limits=httpx.Limits(max_connections=200)) as client:
        early = await until_all_are_seen(client)
        first = await asyncio.gather(*(ask(client, number) for number in range(REQUESTS)))
        assert len({record["site"] for record in first}) > 1
        assert all(" of 3: " in record["reason"] for record in first)
        before = await until_learnt(client, early + REQUESTS)
        assert before["outcomes"] == early + REQUESTS
        load = [asyncio.create_task(ask(client, number)) for number in range(REQUESTS)]
        await asyncio.sleep(0.3)
        await asyncio.to_thread(os.kill, await asyncio.to_thread(orchestrator_pid), signal.SIGKILL)
        second = await asyncio.gather(*load)
        ids = {record["decision_id"] for record in (*first, *second)}
        assert len(ids) == 2 * REQUESTS
        after = await until_learnt(client, early + 2 * REQUESTS)
        assert after["outcomes"] == early + 2 * REQUESTS  # none lost, none counted twice
        assert after["restored_version"] >= REQUESTS
        assert after["trouble"] is None


async def test_the_orchestrator_ends_with_the_application(town: Town) -> None:
    name = actor_name(APPLICATION, town.learned)
    assert await asyncio.to_thread(ray.get_actor, name, NAMESPACE) is not None
    await asyncio.to_thread(end, APPLICATION, town.learned)
    await asyncio.to_thread(end, APPLICATION, town.learned)  # harmless

    def gone() -> bool:
        try:
            ray.get_actor(name, NAMESPACE)
        except ValueError:
            return True
        return False

    while not await asyncio.to_thread(gone):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
