"""The replay behind `benchmarks.live`: the cluster, the requests, the kills, and what became of it all."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from rich.progress import Progress

from benchmarks.three_sites import LONGEST, SMALL_TOKENS_PER_S, question
from cluster.nodes.inventory import DeploymentStatus, inventory
from cluster.nodes.learned import LearnedStatus, learned_status
from cluster.simulation.workload import RequestTrace

LENGTH = 0.25
"""Of the trace's texts, so that a small model can answer most of them within the limits."""
LIMITS_S = (2.0, 6.0)
SETTLE_S = 60.0
"""How long at most the cloud may take to fall asleep after the last request."""
TARGET = 0.95
GATEWAY_TIMEOUT = 504
EVERY_S = 2.0
"""Between two looks at the cloud's replicas."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the replay."""

    at_s: float
    kind: int
    words: int
    prompt_words: int
    limit_s: float


@dataclass(slots=True)
class Told:
    """What became of it."""

    asked: Asked
    feasible: bool
    status: int = 0
    latency_s: float = float("nan")
    met: bool = False
    path: str = ""
    site: str = ""
    joules: float = 0.0


@dataclass(slots=True)
class Replay:
    """Everything that was seen."""

    told: list[Told] = field(default_factory=list)
    overhead_s: float = 0.0
    replicas: list[tuple[float, int, int]] = field(default_factory=list)
    """Seconds, replicas of the cloud that run, and that should."""
    before_kill: LearnedStatus | None = None
    after: LearnedStatus | None = None

    def summary(self) -> dict[str, Any]:
        """The figures."""
        feasible = [t for t in self.told if t.feasible]
        answered = [t for t in self.told if t.status == 200]
        hard = [t for t in answered if t.asked.kind == 1]
        counts = [count for _, count, _ in self.replicas]
        return {
            "requests": len(self.told),
            "answered": len(answered),
            "failed": dict(Counter(t.status for t in self.told if t.status != 200 and t.feasible)),
            "too_late": sum(t.status == GATEWAY_TIMEOUT and not t.feasible for t in self.told),
            "feasible": len(feasible),
            "attainment": sum(t.met for t in feasible) / max(1, len(feasible)),
            "p50_s": float(np.median([t.latency_s for t in answered])),
            "p95_s": float(np.quantile([t.latency_s for t in answered], 0.95)),
            "sites": dict(Counter(t.site for t in answered)),
            "hard_by_large": sum("large" in t.path for t in hard) / max(1, len(hard)),
            "joules_per_answer": float(np.mean([t.joules for t in answered])),
            "cloud_replicas": {"first": counts[0], "most": max(counts), "last": counts[-1]},
            "outcomes_before_kill": self.before_kill.outcomes if self.before_kill else None,
            "restored_version": self.after.restored_version if self.after else None,
            "outcomes_at_the_end": self.after.outcomes if self.after else None,
            "way_s": self.overhead_s,
        }

    @property
    def good(self) -> bool:
        """Whether every target was met."""
        found = self.summary()
        replicas, after = found["cloud_replicas"], self.after
        slept = replicas["first"] == 0 < replicas["most"] and replicas["last"] == 0
        before = self.before_kill.outcomes if self.before_kill else 0
        came_back = after is not None and after.restored_version is not None and after.outcomes >= before
        lost = found["requests"] - found["answered"] - found["too_late"] - sum(found["failed"].values())
        return found["attainment"] >= TARGET and not lost and slept and came_back


def requests_of(trace: RequestTrace, seconds: float, rate: float, rng: np.random.Generator) -> list[Asked]:
    """The beginning of the trace, its clock turned so that it has `rate` requests a second."""
    count = int(seconds * rate)
    times = trace.times_s[:count] * (seconds / trace.times_s[count - 1])
    words = np.clip(np.ceil(trace.tokens[:count] * LENGTH), 8, LONGEST).astype(int)
    prompt = np.clip(trace.prompt_tokens[:count] * LENGTH, 10, 1000).astype(int)
    limits, kinds = rng.uniform(*LIMITS_S, count), rng.integers(2, size=count)
    return [
        Asked(*row) for row in zip(times.tolist(), kinds.tolist(), words.tolist(), prompt.tolist(), limits.tolist(), strict=True)
    ]


async def replay(url: str, dashboard: str, token: Path, asked: Sequence[Asked], seconds: float, progress: Progress) -> Replay:
    """Ask all of them in time, with two kills on the way."""
    found = Replay()
    task = progress.add_task("alone", total=len(asked))
    limits = httpx.Limits(max_connections=256)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        found.overhead_s = await _way(client)
        progress.update(task, description="waiting for the cloud to fall asleep")
        await asyncio.to_thread(_until_asleep, dashboard, token)
        began = time.monotonic()
        watching = asyncio.create_task(_watch(dashboard, token, began, found))
        progress.update(task, description="replay")
        events = [(0.4 * seconds, _kill_site), (0.6 * seconds, lambda: _kill_orchestrator(url, found))]
        under_way = []
        for request in asked:
            while events and request.at_s >= events[0][0]:
                await asyncio.to_thread(events.pop(0)[1])
            await asyncio.sleep(max(0.0, began + request.at_s - time.monotonic()))
            under_way.append(asyncio.create_task(_ask(client, request, found, lambda: progress.advance(task))))
        await asyncio.gather(*under_way)
        progress.update(task, description="waiting for the cloud to fall asleep")
        await asyncio.to_thread(_until_asleep, dashboard, token)
        await asyncio.sleep(2 * EVERY_S)
        watching.cancel()
        found.after = await asyncio.to_thread(learned_status, url)
    return found


async def _way(client: httpx.AsyncClient) -> float:
    """The median of what a request alone takes beyond the words' own time."""
    spent = []
    for _ in range(8):
        began = time.monotonic()
        response = await client.post("/v1/chat/completions", json=_body(Asked(0.0, 0, 16, 50, 60.0)))
        response.raise_for_status()
        spent.append(time.monotonic() - began - 16 / SMALL_TOKENS_PER_S)
    return float(np.median(spent[2:]))


def _body(request: Asked) -> dict[str, Any]:
    messages = [
        {"role": "system", "content": " ".join(["context"] * request.prompt_words)},
        {"role": "user", "content": question(request.kind, request.words)},
    ]
    return {"model": "auto", "messages": messages, "max_tokens": request.words, "slo": {"max_latency_s": request.limit_s}}


async def _ask(client: httpx.AsyncClient, request: Asked, found: Replay, done: Callable[[], None]) -> None:
    told = Told(request, request.limit_s >= request.words / SMALL_TOKENS_PER_S + found.overhead_s)
    found.told.append(told)
    began = time.monotonic()
    with suppress(httpx.HTTPError):
        response = await client.post("/v1/chat/completions", json=_body(request))
        told.status, told.latency_s = response.status_code, time.monotonic() - began
        record = response.json().get("isthmus")
        if record:
            told.met, told.path, told.site = record["slo_met"], record["path"], record["site"]
            told.joules = record["measured"]["energy_j"]
    done()


async def _watch(dashboard: str, token: Path, began: float, found: Replay) -> None:
    while True:
        large = await asyncio.to_thread(_large, dashboard, token)
        found.replicas.append((time.monotonic() - began, large.replicas, large.target))
        await asyncio.sleep(EVERY_S)


def _until_asleep(dashboard: str, token: Path) -> None:
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until and _large(dashboard, token).replicas:
        time.sleep(1.0)


def _large(dashboard: str, token: Path) -> DeploymentStatus:
    (large,) = (d for d in inventory(dashboard, token).deployments if d.deployment == "large@cloud")
    return large


def _kill_site() -> None:
    for process in _processes("ray::ServeReplica:isthmus:small@barn"):
        process.send_signal(signal.SIGKILL)


def _kill_orchestrator(url: str, found: Replay) -> None:
    found.before_kill = learned_status(url)
    for process in _processes("ray::_OrchestratorActor"):
        process.send_signal(signal.SIGKILL)


def _processes(title: str) -> list[psutil.Process]:
    """Of this benchmark's own cluster."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if " ".join(process.cmdline()).startswith(title):
                found.append(process)
    return found
