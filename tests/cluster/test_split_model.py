"""A split model on a real cluster: its parts by their labels, over Ray and over a socket as between two clusters."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster.config import Config
from cluster.ports import free_ports
from deployments.messages import Completion, GenerateRequest, Sampling
from deployments.models.server import bind_servers
from deployments.models.split import server as server_module
from examples.smart_home.export import CLOUD_FOLDER
from examples.smart_home.huggingface import EXITS_FILE
from tests.cluster.conftest import TestCluster
from tests.cluster.probe import ProbedCloud

pytestmark = [pytest.mark.cluster, pytest.mark.models]

QUESTION: Any = ({"role": "user", "content": "Switch the fan in the hall off, please."},)
MODES = ("1", "verified@6")


def config(port: int) -> Config:
    split = {
        "engine": "split",
        "path": CLOUD_FOLDER,
        "exits": Path(CLOUD_FOLDER) / EXITS_FILE,
        "exit_layers": (3, 5),
        "modes": MODES,
        "cpus": 0.1,
    }
    return Config.model_validate(
        {
            "cluster": {"sites": [{"name": "home", "tier": "edge"}, {"name": "cloud", "tier": "cloud"}]},
            "models": {
                "near": {**split, "cloud": {"cpus": 0.1}},
                "door": {**split, "modes": (), "cloud": {"cpus": 0.1, "listen": f"127.0.0.1:{port}"}},
                "far": {**split, "cloud": {"url": f"ws://127.0.0.1:{port}"}},
            },
        }
    )


@pytest.fixture(scope="module")
def handles(cluster: TestCluster) -> Iterator[dict[str, DeploymentHandle[Any]]]:
    (port,) = free_ports(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_module, "SplitCloud", ProbedCloud)
        applications = bind_servers(config(port))
    assert set(applications) == {"near@home", "door.cloud", "far@home"}
    names = {name: name.split("@")[0].split(".")[0] for name in applications}
    targets = [serve.RunTarget(application, name=names[name], route_prefix=None) for name, application in applications.items()]
    yield dict(zip(names.values(), serve.run_many(targets), strict=True))
    for name in names.values():
        serve.delete(name)


async def ask(handle: DeploymentHandle[Any], mode: str) -> Completion:
    """An answer with the cloud's help; the link connects in the background."""
    while True:  # the test's own time limit is the only other way out
        answer: Completion = await handle.complete.remote(GenerateRequest("r", Sampling(24), QUESTION, mode=mode))
        if answer.report.note is None:
            return answer
        await asyncio.sleep(0.2)


async def test_the_same_text_by_every_way(handles: dict[str, DeploymentHandle[Any]]) -> None:
    texts = {(name, mode): (await ask(handles[name], mode)).text for name in ("near", "far") for mode in MODES}
    assert len(set(texts.values())) == 1
    together = await asyncio.gather(*(ask(handles[name], mode) for name, mode in texts for _ in range(4)))
    assert {answer.text for answer in together} == set(texts.values())


async def test_each_position_crosses_once(handles: dict[str, DeploymentHandle[Any]]) -> None:
    for name in ("near", "far"):
        report = (await ask(handles[name], "1")).report
        states = 2 * 256 * (report.prompt_tokens + report.completion_tokens - 1)
        headers = (report.completion_tokens + 4) * 40
        assert states < report.up_bytes < states + headers


async def test_the_parts_are_where_their_labels_say(handles: dict[str, DeploymentHandle[Any]]) -> None:
    for name, application in (("near.cloud", "near"), ("door.cloud", "door")):
        labels = await serve.get_deployment_handle(name, application).labels.remote()
        assert (labels["tier"], labels["site"]) == ("cloud", "cloud")
