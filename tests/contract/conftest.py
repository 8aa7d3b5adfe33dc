"""A running system with echo models, as `isthmus up` starts it, and clients for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import openai
import psutil
import pytest
import yaml

from cluster.config import load
from cluster.log import read_log
from cluster.ports import free_ports
from cluster.profile import PathRow, Table, write_table
from examples.smart_home.export import CLOUD_FOLDER
from examples.smart_home.huggingface import EXITS_FILE
from policies.types import Profile

KEY = "a-key-of-the-test"
SETTINGS = {
    "domain": "contract",
    "cluster": {
        "sites": [{"name": "home", "tier": "edge", "cpus": 4}, {"name": "cloud", "tier": "cloud", "cpus": 2}],
        "link": {"rtt_s": 0.002},
    },
    "gateway": {"cpus": 0.1, "api_keys_env": "CONTRACT_KEYS", "max_body_bytes": 1_000_000},
    "models": {
        "small": {"engine": "echo", "cpus": 0.1, "max_ongoing": 64},
        # slow enough that requests are at it whenever it is killed
        "large": {"engine": "echo", "cpus": 0.1, "delay_s": 0.1, "max_ongoing": 64, "tier": "cloud"},
        "slow": {"engine": "echo", "cpus": 0.1, "delay_s": 8.0, "max_ongoing": 1, "max_queued": 1},
        "talker": {"engine": "echo", "cpus": 0.1, "tokens_per_s": 4, "max_ongoing": 1, "max_queued": 1},
        "narrow": {"engine": "echo", "cpus": 0.1, "delay_s": 1.0, "max_ongoing": 1, "max_queued": 2},
        "split": {
            "engine": "split",
            "path": str(CLOUD_FOLDER),
            "exits": str(CLOUD_FOLDER / EXITS_FILE),
            "exit_layers": [3, 5],
            "modes": ["standalone", "0.8", "1", "verified@6"],
            "cpus": 0.1,
            "max_tokens": 40,
            "cloud": {"cpus": 0.1},
        },
    },
    "default_path": "none/none/none/large",
    "fallback_path": "none/none/none/small",
    "profile": "profile",
}
LAMPS = [f"Is the lamp in the {room} on?" for room in ("hall", "kitchen", "bedroom", "garage", "attic", "bathroom")]
OTHERS = [f"Where is the {animal}?" for animal in ("cat", "dog", "bird", "mouse", "horse", "cow")]
SMALL, LARGE = "none/none/none/small", "none/none/none/large"


def write_profile(folder: Path, rest: str = LARGE) -> None:
    """The small model knows about lamps, the slower path `rest` about the rest."""
    cells = np.array([[1.0, 0.0]] * len(LAMPS) + [[0.0, 1.0]] * len(OTHERS))
    queries, paths = (*LAMPS, *OTHERS), (SMALL, rest)
    seconds = np.tile([0.2, 1.0], (len(queries), 1))
    profile = Profile(queries, queries, paths, cells, seconds, seconds / 1e4, seconds * 10)
    rows = tuple(
        PathRow(name, tier, generate=name.rpartition("/")[2]) for name, tier in zip(paths, ("edge", "cloud"), strict=True)
    )
    write_table(Table(profile, rows, ("",) * len(queries), ("",) * len(queries)), folder)


@dataclass(frozen=True, slots=True)
class Service:
    """The running system."""

    url: str
    pid: int
    file: Path
    """Its configuration."""

    def ask(self, question: str) -> str:
        """The id of the decision about a question."""
        body = {"model": "auto", "messages": [{"role": "user", "content": question}]}
        answer = httpx.post(f"{self.url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {KEY}"}, timeout=60)
        return answer.headers["x-isthmus-decision-id"]

    def replicas(self, deployment: str) -> list[psutil.Process]:
        """The processes of a deployment's replicas."""
        family = psutil.Process(self.pid).children(recursive=True)
        return [process for process in family if _title(process).startswith(f"ray::ServeReplica:isthmus:{deployment}")]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("contract")
    port, ray_port, dashboard_port = free_ports(3)
    settings = json.loads(json.dumps(SETTINGS))
    settings["cluster"] |= {"port": ray_port, "dashboard_port": dashboard_port}
    settings["gateway"]["port"] = port
    file = folder / "isthmus.yaml"
    file.write_text(yaml.safe_dump(settings))
    write_profile(folder / "profile")
    command = [sys.executable, "-m", "cluster.cli", "up", "--config", str(file), "--timeout", "200", "--json"]
    variables = {**os.environ, "CONTRACT_KEYS": f"another,{KEY}", "RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}
    log = folder / "up.log"
    with log.open("w") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=variables) as up:
        try:
            assert up.stdout is not None
            told = up.stdout.read1().decode()
            assert told, f"'isthmus up' did not come up:\n{log.read_text()[-3000:]}"
            service = Service(json.loads(told)["url"], up.pid, file)
            yield service
            last = service.ask("The last question.")
        finally:
            up.terminate()
            up.wait(60)
    log = load(file).log
    assert log is not None
    assert log.url is not None
    assert last in {row.decision_id for row in read_log(log.url)}, "an orderly stop lost an entry of the decision log"


@pytest.fixture
def client(service: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key=KEY, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
async def async_client(service: Service) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key=KEY, max_retries=0, timeout=60) as client:
        yield client


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
