"""Whether the simulator says what a real cluster does: the same requests on both.

    python -m benchmarks.validate [--rounds 5] [--requests 150] [--load 0.7] [--out docs/results.md] [--json]

A cluster with one edge site starts, whose llama.cpp server has two contexts and a Llama with random weights of 25 million
parameters. Each round measures the device (requests alone and two at a time give the prefill rate, the step and what a second
sequence adds to it, and the time that HTTP, gateway and Ray take), sends requests by a Poisson process, noting when each was
sent, how many tokens it had and how long its answer took, and measures the device again. The simulator gets the device and
these requests. Its mean and 95th percentile are to be within 20 % of the measured ones.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import aiohttp
import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.command import run
from benchmarks.measured import CONTEXTS, Answered, Client, Device, capacity_per_s, configuration, device, probe, work
from benchmarks.page import table, write_section
from cluster.cli.grid import Grid
from cluster.nodes.running import running
from cluster.simulation.run import Prepared
from cluster.simulation.scenario import Scenario
from cluster.simulation.workload import Workload

LIMIT_S = 120.0
TARGET = 0.2


@dataclass(frozen=True, slots=True)
class Round:
    """Latencies of the same requests, measured and simulated, in seconds."""

    device: Device
    real: tuple[float, ...]
    simulated: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Replayed(Prepared):
    """A scenario whose requests are those that were really sent."""

    requests: tuple[Answered, ...] = ()

    def workload(self, seed: int) -> Workload:
        """The same for every seed."""
        requests = self.requests
        n, began = len(requests), min(r.sent_s for r in requests)
        columns = (np.array(column, dtype=np.float64) for column in zip(*map(_row, requests), strict=True))
        times, prompt, tokens = columns
        return Workload(
            times_s=times - began,
            service=np.zeros(n, dtype=np.int64),
            origin=np.zeros(n, dtype=np.int64),
            limit_s=np.full(n, LIMIT_S),
            prompt_tokens=prompt,
            tokens=tokens,
            max_tokens=tokens,
            bits=np.zeros(n),
        )


def _row(request: Answered) -> tuple[float, int, int]:
    return request.sent_s, request.prompt_tokens, request.tokens


def simulate(device: Device, requests: Sequence[Answered]) -> tuple[float, ...]:
    """Latencies of `requests` on the simulated server."""
    ordered = tuple(sorted(requests, key=lambda request: request.sent_s))
    scenario = Scenario.model_validate(
        {
            "duration_s": max(r.sent_s for r in ordered) - ordered[0].sent_s + 1.0,
            "patience": "forever",
            "policies": ("nearest_edge",),
            "arrivals": {"process": "poisson", "rate_per_s": 1.0},
            "services": [{"name": "chat", "share": 1, "limit_s": (LIMIT_S, LIMIT_S)}],
            "devices": {
                "edge": {
                    "slots": CONTEXTS,
                    "queue": len(ordered),
                    "own_prefill": True,
                    "prefill_tokens_per_s": device.prefill_tokens_per_s,
                    "step_s": device.step_s,
                    "step_per_sequence_s": device.step_per_sequence_s,
                    "idle_w": 5,
                    "busy_w": 15,
                    "peak_w": 15,
                }
            },
            "sites": [{"name": "home", "device": "edge", "link": {"mbps": 1000, "near_s": device.network_s}}],
        }
    )
    prepared = Prepared.of(scenario)
    replayed = Replayed(scenario, prepared.blueprint, None, None, ordered)
    return tuple(float(latency) for latency in replayed.run("nearest_edge", 0).latency_s)


async def measure(url: str, rounds: int, requests: int, load: float, progress: Progress) -> list[Round]:
    """All rounds, one after the other."""
    task = progress.add_task("", total=3 * rounds)
    found = []
    timeout = aiohttp.ClientTimeout(total=LIMIT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for number in range(rounds):
            rng = np.random.default_rng(number)
            client = Client(session, url, rng)
            progress.update(task, description=f"round {number + 1}: the device")
            before = await probe(client)
            progress.update(task, advance=1, description=f"round {number + 1}: the requests")
            answered = await work(client, rng, requests, load * capacity_per_s([before]))
            progress.update(task, advance=1, description=f"round {number + 1}: the device again")
            fitted = device([before, await probe(client)])
            progress.advance(task)
            ordered = sorted(answered, key=lambda request: request.sent_s)
            found.append(Round(fitted, tuple(r.latency_s for r in ordered), simulate(fitted, answered)))
    return found


def summary(rounds: Sequence[Round]) -> dict[str, Any]:
    """Mean and 95th percentile of all rounds together and of each, and the simulated over the measured."""
    real, simulated = np.concatenate([r.real for r in rounds]), np.concatenate([r.simulated for r in rounds])
    return {
        "requests": len(real),
        "all": _compare(real, simulated),
        "rounds": [{**_compare(r.real, r.simulated), "device": asdict(r.device)} for r in rounds],
    }


def _compare(real: Sequence[float] | np.ndarray, simulated: Sequence[float] | np.ndarray) -> dict[str, float]:
    means, tails = (float(np.mean(real)), float(np.mean(simulated))), (np.quantile(real, 0.95), np.quantile(simulated, 0.95))
    return {
        "mean_s": means[0],
        "simulated_mean_s": means[1],
        "mean_ratio": means[1] / means[0],
        "p95_s": float(tails[0]),
        "simulated_p95_s": float(tails[1]),
        "p95_ratio": float(tails[1] / tails[0]),
    }


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Calibrations with requests after them.")] = 5,
    requests: Annotated[int, typer.Option(min=20, help="Requests of a round.")] = 150,
    load: Annotated[float, typer.Option(min=0.1, max=0.95, help="Share of the server's capacity.")] = 0.7,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Real and simulated latencies. Exit code 1 when the mean or the 95th percentile of all is more than 20 % off."""
    os.environ.setdefault("RAY_worker_niceness", "0")
    with TemporaryDirectory() as temporary, Progress(console=Console(stderr=True)) as progress:
        starting = progress.add_task("a cluster starts", total=1)
        folder = Path(temporary)
        config, file = configuration(folder)
        with running(config, file, 300.0, lambda name, state: None) as cluster:
            progress.advance(starting)
            result = summary(asyncio.run(measure(cluster.url, rounds, requests, load, progress)))
    if out is not None:
        write(out, result, load)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        Console().print(Grid(_HEAD, _rows(result)))
    close = all(abs(result["all"][ratio] - 1) <= TARGET for ratio in ("mean_ratio", "p95_ratio"))
    raise typer.Exit(0 if close else 1)


def write(page: Path, result: Mapping[str, Any], load: float) -> None:
    """Put the table into its section of `page`."""
    lines = [
        "## The simulator against a real cluster",
        "",
        f"`python -m benchmarks.validate --out docs/results.md`: {result['requests']} requests to a llama.cpp server with "
        f"{CONTEXTS} contexts at {load:g} of its capacity;",
        "the simulator gets the device as each round measured it before and after. Ratios: simulated over measured.",
        "",
        *table(_HEAD, _rows(result)),
    ]
    write_section(page, "validate", "\n".join(lines))


_HEAD = ("round", "mean s", "simulated", "ratio", "p95 s", "simulated", "ratio")


def _rows(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    named = [*((str(i), row) for i, row in enumerate(result["rounds"], 1)), ("all", result["all"])]
    keys = ("mean_s", "simulated_mean_s", "mean_ratio", "p95_s", "simulated_p95_s", "p95_ratio")
    return [(name, *(f"{row[key]:.2f}" for key in keys)) for name, row in named]


if __name__ == "__main__":
    run(main)
