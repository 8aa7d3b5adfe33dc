"""The three systems of the gateway's benchmark, each answering at a URL while its `with` block lasts."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from benchmarks.engines import MODELS, SITE
from cluster.config import Config
from cluster.nodes.running import running
from cluster.ports import free_ports

LITELLM = "1.106.2"
_START_S = 180.0


@dataclass(frozen=True, slots=True)
class System:
    """One way to reach the engine."""

    name: str
    url: str
    pids: frozenset[int]
    """The processes whose time counts, with all their children."""

    def cpu_s(self) -> float:
        """Processor seconds that its living processes have used so far."""
        total = 0.0
        for pid in self.pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                for member in [process, *process.children(recursive=True)]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        times = member.cpu_times()
                        total += times.user + times.system
        return total


@contextlib.contextmanager
def ray_systems(folder: Path, names: Sequence[str]) -> Iterator[list[System]]:
    """Our gateway and the bare one, as two applications on one cluster, so that both have the same Ray under them."""
    port, ray_port, dashboard_port = free_ports(3)
    settings = {
        "cluster": {"sites": [{"name": SITE, "tier": "edge", "cpus": 4}], "port": ray_port, "dashboard_port": dashboard_port},
        "gateway": {"port": port, "cpus": 0.1},
        "models": {name: model.model_dump(mode="json", exclude_defaults=True) for name, model in MODELS.items()},
        "default_path": "none/none/none/echo",
    }
    file = folder / "isthmus.yaml"
    file.write_text(yaml.safe_dump(settings))
    config = Config.model_validate(settings)
    before = set(psutil.Process().children())
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would measure whatever else the machine does
    with running(config, file, _START_S, lambda name, state: None) as cluster:
        if "bare" in names:
            _deploy_bare(config, f"127.0.0.1:{ray_port}")
        pids = frozenset(child.pid for child in set(psutil.Process().children()) - before)
        systems = [System("isthmus", f"{cluster.url}/v1", pids), System("bare", f"{cluster.url}/bare/v1", pids)]
        yield [system for system in systems if system.name in names]


def _deploy_bare(config: Config, address: str) -> None:
    import ray
    from ray import serve

    from benchmarks.bare import build

    ray.init(address=address, namespace="serve", log_to_driver=False)
    serve.run(build(config), name="bare", route_prefix="/bare")
    ray.shutdown()


@contextlib.contextmanager
def litellm(folder: Path, environment: Path) -> Iterator[System]:
    """The LiteLLM proxy with one worker in front of the echo engine over HTTP; `environment` is a virtual environment."""
    proxy = _installed(environment)
    engine_port, port = free_ports(2)
    parameters = {"api_base": f"http://127.0.0.1:{engine_port}/v1", "api_key": "none"}
    models = [{"model_name": name, "litellm_params": {"model": f"openai/{name}", **parameters}} for name in MODELS]
    file = folder / "litellm.yaml"
    open_door = {"dangerously_permit_weak_or_unset_master_key": True}  # no key to check: the cheapest it can be
    file.write_text(yaml.safe_dump({"model_list": models, "general_settings": open_door}))
    uvicorn = [sys.executable, "-m", "uvicorn", "benchmarks.fake_openai:app", "--port", str(engine_port), "--no-access-log"]
    command = [str(proxy), "--config", str(file), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    with _child(uvicorn, folder / "engine.log") as engine, _child(command, folder / "litellm.log") as server:
        url = f"http://127.0.0.1:{port}"
        _wait(f"{url}/health/liveliness", server, folder / "litellm.log")
        yield System("litellm", f"{url}/v1", frozenset({engine.pid, server.pid}))


def _installed(environment: Path) -> Path:
    """The proxy's command; created in `environment` when it is not there."""
    proxy = environment / "bin" / "litellm"
    if not proxy.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        subprocess.run([str(environment / "bin" / "pip"), "install", "--quiet", f"litellm[proxy]=={LITELLM}"], check=True)
    return proxy


@contextlib.contextmanager
def _child(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    variables = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=variables) as child:
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


def _wait(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and child.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.5)
    raise SystemExit(f"LiteLLM did not start:\n{log.read_text()[-2000:]}")
