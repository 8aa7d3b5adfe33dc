"""`isthmus up`, `status` and `down` on a real Ray with echo models, in processes of their own as a user has them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cluster.ports import free_ports

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SENTENCE = "A lamp is lit"
SCALING = "{min_replicas: 1, max_replicas: 2, startup_s: 0, interval_s: 0.5}"
ELASTIC = (
    f"  elastic: {{engine: echo, tier: cloud, cpus: 0.1, replicas: 2, scaling: {SCALING}}}\n"
    "  sleeper: {engine: echo, tier: cloud, cpus: 0.1, scaling: {max_replicas: 2, startup_s: 1, interval_s: 0.5}}\n"
)


def environment() -> dict[str, str]:
    """Ours, without what would decide for the command under test."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ISTHMUS_", "RAY_"))}


def isthmus(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cluster.cli", *map(str, words)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=400)


def configuration(folder: Path, edge: str = "{engine: echo}", more: str = "") -> Path:
    gateway, head, dashboard = free_ports(3)
    file = folder / "isthmus.yaml"
    file.write_text(
        f"gateway: {{port: {gateway}}}\ncluster: {{port: {head}, dashboard_port: {dashboard}}}\n"
        f"models:\n  edge: {edge}\n  cloud: {{engine: echo, tier: cloud}}\n{more}"
    )
    return file


def ours(file: Path) -> list[psutil.Process]:
    """Every living process that the cluster of a configuration started, the one that holds it included."""
    state = json.loads((file.parent / ".isthmus" / "cluster.json").read_text())
    return [*psutil.Process(state["pid"]).children(recursive=True), psutil.Process(state["pid"])]


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert [p.cmdline() for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    file = configuration(tmp_path_factory.mktemp("running"), more=ELASTIC)
    started = isthmus("up", "--detach", "--json", "--config", file, "--timeout", 300)
    assert started.returncode == 0, started.stderr
    assert json.loads(started.stdout)["ready"] is True
    assert "gateway is ready" in started.stderr
    processes = ours(file)
    yield file
    stopped = isthmus("down", "--config", file)
    assert stopped.returncode == 0, stopped.stderr
    assert_gone(processes)
    assert isthmus("status", "--config", file).returncode == 1
    assert not (file.parent / ".isthmus" / "cluster.json").exists()


def status(file: Path) -> dict[str, Any]:
    told = isthmus("status", "--json", "--config", file)
    assert told.returncode == 0, told.stderr
    report: dict[str, Any] = json.loads(told.stdout)
    return report


def test_status(running: Path) -> None:
    report = status(running)
    assert (report["phase"], report["application"]) == ("ready", "RUNNING")
    assert [(s["site"], s["tier"], s["alive"], s["head"]) for s in report["sites"]] == [
        ("home", "edge", True, True),
        ("cloud", "cloud", True, False),
    ]
    where = {
        d["deployment"]: (d["status"], d["replicas"], d["target"], d["sites"])
        for d in report["deployments"]
        if d["deployment"] not in ("elastic@cloud", "sleeper@cloud")
    }
    assert where == {
        "gateway": ("HEALTHY", 1, 1, ["home"]),
        "edge@home": ("HEALTHY", 1, 1, ["home"]),
        "cloud@cloud": ("HEALTHY", 1, 1, ["cloud"]),
    }


def test_status_as_a_table(running: Path) -> None:
    shown = isthmus("status", "--config", running)
    assert shown.returncode == 0
    assert "home (head)" in shown.stdout


def deployment(file: Path, name: str) -> dict[str, Any]:
    (found,) = (d for d in status(file)["deployments"] if d["deployment"] == name)
    return found


def test_a_change_of_replicas_is_shown_with_its_reason(running: Path) -> None:
    """Nobody asks the model that began with two replicas and may have one."""
    while (shown := deployment(running, "elastic@cloud")["scaled"]) is None:
        pass
    assert deployment(running, "elastic@cloud")["target"] == 1
    assert shown["reason"].startswith("down from 2 to 1: no more were wanted for 5 s; forecast 0.00 arrivals/s")
    assert f"elastic@cloud  {shown['at']}  {shown['reason']}\n" in isthmus("status", "--config", running).stdout


def test_a_model_at_zero_replicas_answers_and_goes_back_to_zero(running: Path) -> None:
    url = json.loads(isthmus("status", "--json", "--config", running).stdout)["url"]
    assert ask(url, "sleeper")["isthmus"]["site"] == "cloud"
    while deployment(running, "sleeper@cloud")["replicas"]:
        pass
    assert deployment(running, "sleeper@cloud")["scaled"]["reason"].startswith("down from 1 to 0")
    assert ask(url, "sleeper")["isthmus"]["site"] == "cloud", "it wakes again"


def ask(url: str, model: str) -> dict[str, Any]:
    body = {"model": f"none/none/none/{model}", "messages": [{"role": "user", "content": SENTENCE}]}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    assert SENTENCE in answer["choices"][0]["message"]["content"]
    return answer


@pytest.mark.parametrize("model", ["edge", "cloud"])
def test_it_answers(running: Path, model: str) -> None:
    url = json.loads(isthmus("status", "--json", "--config", running).stdout)["url"]
    assert ask(url, model)["isthmus"]["site"] == {"edge": "home", "cloud": "cloud"}[model]


def test_the_ports_of_a_running_cluster_do_not_block_its_check(running: Path) -> None:
    report = json.loads(isthmus("check", "--json", "--config", running).stdout)
    assert report["ready"] is True


def test_it_does_not_start_twice(running: Path) -> None:
    again = isthmus("up", "--config", running)
    assert again.returncode == 2
    assert "is running already (process " in again.stderr


def test_only_the_internal_ports_of_replicas_are_open_to_other_machines(running: Path) -> None:
    """Ray Serve binds the port for calls between replicas to every interface and offers no way to change that."""
    listening = {
        (process.name(), connection.laddr.ip)
        for process in ours(running)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert any(name == "haproxy" for name, _ in listening)
    outward = {name for name, ip in listening if ip.removeprefix("::ffff:") != "127.0.0.1"}
    assert all(name.startswith("ray::Serve") for name in outward), outward


def test_nobody_without_the_token_gets_in(running: Path) -> None:
    token = running.parent / ".isthmus" / "token"
    assert token.stat().st_mode & 0o777 == 0o600
    dashboard = json.loads((running.parent / ".isthmus" / "cluster.json").read_text())["dashboard"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{dashboard}/api/v0/nodes", timeout=10)


def test_a_model_that_does_not_load_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(64))
    file = configuration(tmp_path, edge="{engine: llama_cpp, path: broken.gguf}")
    process = subprocess.Popen(
        [sys.executable, "-m", "cluster.cli", "up", "--config", str(file)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    printed = []
    while "cloud is ready" not in "".join(printed) and process.poll() is None:
        printed.append(process.stderr.readline())
    processes = ours(file)
    _, rest = process.communicate(timeout=400)
    assert process.returncode in (1, 2)
    assert "The deployment edge@home cannot start: " in rest
    assert "Traceback" not in rest
    assert_gone(processes)
    logs = re.search(r"The logs are in (/\S+)\.\n", rest)
    assert logs is not None
    assert Path(logs[1]).is_dir()
    shutil.rmtree(logs[1])


def test_ctrl_c_while_it_starts(tmp_path: Path) -> None:
    file = configuration(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "cluster.cli", "up", "--config", str(file)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    while "home is ready" not in process.stderr.readline():
        assert process.poll() is None
    processes = ours(file)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "")
    assert err.endswith("Stopped.\n")
    assert_gone(processes)
    assert not (file.parent / ".isthmus" / "cluster.json").exists()


def test_down_after_a_kill(tmp_path: Path) -> None:
    file = configuration(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "cluster.cli", "up", "--config", str(file)], env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while "home is ready" not in process.stderr.readline():
        assert process.poll() is None
    again = isthmus("up", "--config", file)
    assert (again.returncode, again.stderr.count("is running already (process ")) == (2, 1)
    processes = ours(file)
    temporary = Path(json.loads((file.parent / ".isthmus" / "cluster.json").read_text())["temporary"])
    assert temporary.is_dir()
    process.kill()
    process.communicate(timeout=60)
    stopped = isthmus("down", "--config", file)
    assert (stopped.returncode, stopped.stdout) == (0, "Stopped.\n")
    assert_gone(processes)
    assert not temporary.exists()
    assert isthmus("down", "--config", file).returncode == 1
