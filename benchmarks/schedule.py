"""How many requests one core places per second among 1,000 servers.

    python -m benchmarks.schedule [--servers 1000] [--slot 64] [--slots 200] [--policy NAME ...] [--out docs/results.md] [--json]

Requests come in slots: at 20,000 a second one of 64 is full after 3.2 ms. Between two slots half of what is outstanding is
answered, so that every figure of the board moves and all learning is included. Seconds are those of the process on its core,
not of the wall; caches and the core itself are shared with whatever else runs on the machine, so that the median slot and the
fastest tenth stand beside the mean, and the time of a small product with them.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from threadpoolctl import threadpool_limits

from benchmarks.command import run
from benchmarks.page import table, write_section
from cluster.cli.grid import Grid
from policies.schedule import SCHEDULERS, make_scheduler
from policies.schedule.board import Board
from policies.schedule.types import Arrivals, Measured, Server

SERVICES = 6
WARM_UP = 10
SMALL_SLOTS = (1, 4, 16)
"""Sizes that the section shows for CS-UCB besides the usual one."""


@dataclass(frozen=True, slots=True)
class Speed:
    """One policy."""

    policy: str
    servers: int
    slot: int
    placed: int
    decisions_per_s: float
    """By the mean time of a slot; by the median, and by the fastest tenth's slowest, below."""
    median_per_s: float
    undisturbed_per_s: float
    learnt_per_s: float
    reference_us: float
    """Median time of a product with a 64 x 64 matrix, taken between the slots."""


def servers(number: int, rng: np.random.Generator) -> list[Server]:
    """Edge servers of different speeds, every fiftieth of them a cloud."""
    step = rng.uniform(0.005, 0.06, number)
    return [
        Server(
            name=f"s{i}",
            cloud=i % 50 == 0,
            slots=32,
            queue=8,
            prefill_tokens_per_s=30 / step[i],
            step_s=step[i],
            step_per_sequence_s=step[i] / 20,
            idle_w=10.0,
            busy_w=100.0,
            peak_w=300.0,
            bits_per_s=1e8,
            near_s=0.005,
            far_s=0.04,
        )
        for i in range(number)
    ]


def arrivals(number: int, servers_: int, rng: np.random.Generator) -> Arrivals:
    """One slot."""
    return Arrivals(
        service=rng.integers(SERVICES, size=number),
        origin=rng.integers(servers_, size=number),
        limit_s=rng.uniform(2, 6, number),
        prompt_tokens=rng.uniform(50, 800, number),
        max_tokens=rng.uniform(16, 200, number),
        bits=rng.uniform(1e4, 1e6, number),
    )


def speed(policy: str, number: int, slot: int, slots: int) -> Speed:
    """Decisions and observations of `slots` slots, after a warm-up."""
    rng = np.random.default_rng(0)
    board = Board(servers(number, rng))
    scheduler = make_scheduler(policy, board, SERVICES, rng)
    outstanding: deque[int] = deque()
    deciding, learning, products, placed, learnt = [], 0.0, [], 0, 0
    vector, matrix = np.ones(64, dtype=np.float32), np.ones((64, 64), dtype=np.float32)
    for i in range(slots + WARM_UP):
        now = 0.05 * i
        batch = arrivals(slot, number, rng)
        began = time.process_time()
        tickets = [ticket for ticket in scheduler.decide(batch, now) if ticket is not None]
        decided = time.process_time()
        outstanding.extend(ticket.number for ticket in tickets)
        answers = [Measured(outstanding.popleft(), rng.uniform(0.5, 4), 50.0, 16, 0.01) for _ in range(len(outstanding) // 2)]
        answering = time.process_time()
        for answer in answers:
            scheduler.observe(answer, now)
        answered = time.process_time()
        vector.dot(matrix)
        if i >= WARM_UP:
            deciding.append(decided - began)
            products.append(time.process_time() - answered)
            learning += answered - answering
            placed, learnt = placed + len(tickets), learnt + len(answers)
    mean, median, tenth = float(np.mean(deciding)), *map(float, np.quantile(deciding, (0.5, 0.1)))
    reference_us = 1e6 * float(np.median(products))
    return Speed(policy, number, slot, placed, slot / mean, slot / median, slot / tenth, learnt / learning, reference_us)


def main(
    servers: Annotated[int, typer.Option(min=1, help="Servers on the board.")] = 1000,
    slot: Annotated[int, typer.Option(min=1, help="Requests that are placed together.")] = 64,
    slots: Annotated[int, typer.Option(min=1, help="How many slots.")] = 200,
    policy: Annotated[list[str] | None, typer.Option(help="Policies; all when not given.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Requests placed per second on one core."""
    runs = [(name, slot, slots) for name in policy or list(SCHEDULERS)]
    if out is not None:
        runs += [("cs_ucb", size, slots * slot // size) for size in SMALL_SLOTS]
    progress = track(runs, "policies", console=Console(stderr=True))
    with threadpool_limits(1):  # as Ray limits a replica to its CPUs; the second thread of a product would count as well
        results = [speed(name, servers, size, number) for name, size, number in progress]
    if out is not None:
        write(out, results)
    if as_json:
        typer.echo(json.dumps([asdict(result) for result in results], indent=2))
        return
    head, rows = ("policy", "slot", *_FIGURES), [(r.policy, str(r.slot), *_figures(r)) for r in results]
    Console().print(Grid(head, rows, title=f"Decisions per second, {servers:,} servers"))


def write(page: Path, results: Sequence[Speed]) -> None:
    """Put the table into its section of `page`."""
    lines = [
        "## Decisions per second",
        "",
        "`python -m benchmarks.schedule --out docs/results.md`: on one core; a slot holds the requests that are placed together. "
        "By the mean time of a slot, the median, and the",
        "fastest tenth. Reference: microseconds of a product with a 64 x 64 matrix between the slots, median.",
        "",
        *table(("policy", "servers", "slot", *_FIGURES), ((r.policy, f"{r.servers:,}", r.slot, *_figures(r)) for r in results)),
    ]
    write_section(page, "schedule", "\n".join(lines))


_FIGURES = ("mean slot", "median slot", "fastest tenth", "outcomes learnt /s", "reference")


def _figures(r: Speed) -> tuple[str, ...]:
    rates = (r.decisions_per_s, r.median_per_s, r.undisturbed_per_s, r.learnt_per_s)
    return (*(f"{rate:,.0f}" for rate in rates), f"{r.reference_us:.1f}")


if __name__ == "__main__":
    run(main)
