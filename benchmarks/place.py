"""What choosing the site adds to a request on the gateway's event loop.

    python -m benchmarks.place [--sites 3] [--sites 10] [--out docs/results.md] [--json]

The choice, its account while the request is under way, and all that is learnt from the answer; then what an exchange with the
orchestrator costs the gateway. CPU time of the thread. Between requests a product with a 64 x 64 matrix is timed, so that a busy
or another machine can be told from a slow choice.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import page
from benchmarks.command import run
from cluster.config import Config
from cluster.orchestrator.actor import Orchestrator, Reply
from cluster.orchestrator.handle import Exchange
from cluster.servers import servers
from deployments.gateway.client import ModelClient
from deployments.gateway.dispatch import Dispatch
from deployments.gateway.learning import Learning
from deployments.gateway.placement import Need
from deployments.messages import StageReport
from policies.experience import ANSWER, Batch

ROUNDS = 4000
UNDER_WAY = 4
"""Requests that are placed and not yet answered, so that the board is never empty."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds, medians; those of the exchange for one in which as many requests as in half a second at 100/s are told."""

    sites: int
    choose_us: float
    learn_us: float
    exchange_us: float
    reference_us: float

    @property
    def added_us(self) -> float:
        """By request."""
        return self.choose_us + self.learn_us


class _Handle:
    """Stands where Ray's handle would; nothing is sent in this benchmark."""

    complete = stream = check_health = None

    def options(self, **_: Any) -> _Handle:
        return self


def measure(sites: int, rounds: int = ROUNDS) -> Cost:
    """One row."""
    with TemporaryDirectory() as folder:
        return asyncio.run(_measure(sites, rounds, f"sqlite:///{folder}/learned.db"))


async def _measure(sites: int, rounds: int, url: str) -> Cost:
    config = Config.model_validate(
        {
            "cluster": {"sites": [{"name": f"site-{i}", "tier": "edge"} for i in range(sites)]},
            "models": {"small": {"engine": "echo", "tokens_per_s": 50, "max_tokens": 100}},
        }
    )
    clients = [ModelClient(server, config.models[server.model], _Handle()) for server in servers(config)]  # type: ignore[arg-type]
    orchestrator = Orchestrator(url)
    await orchestrator.start()

    def connect() -> Exchange:
        async def exchange(batch: Batch, save: bool) -> Reply:
            return await orchestrator.exchange(batch, save)

        return exchange

    learning = Learning(connect)
    now = [0.0]
    dispatch = Dispatch(config, clients, None, learning.served, lambda: now[0])
    learning.serve(dispatch, None)  # type: ignore[arg-type]
    rng, matrix, vector = np.random.default_rng(0), np.ones((64, 64), dtype=np.float32), np.ones(64, dtype=np.float32)
    waiting, choose, learn, exchange, reference = [], [], [], [], []
    for number in track(range(rounds), f"{sites} sites", console=Console(stderr=True)):
        now[0] += 0.01
        need = Need(ANSWER, int(rng.integers(100, 4000)), 100, now[0] + 4.0, limited=True)
        began = time.thread_time_ns()
        placement = dispatch.place("small", need)
        choose.append(time.thread_time_ns() - began)
        assert placement is not None
        waiting.append(placement)
        if len(waiting) > UNDER_WAY:
            answered = waiting.pop(0)
            seconds = float(rng.uniform(0.02, 0.06))
            report = StageReport("generate", "small", "site", seconds, prompt_tokens=200, completion_tokens=50, energy_j=5.0)
            began = time.thread_time_ns()
            answered.sent()
            answered.started()
            answered.answered(report, 0.005, 8.0 * answered.need.size)
            learn.append(time.thread_time_ns() - began)
        began = time.thread_time_ns()
        vector.dot(matrix)
        reference.append(time.thread_time_ns() - began)
        if number % 50 == 49:
            told = learning._batch()
            reply = await orchestrator.exchange(told)
            began = time.thread_time_ns()
            learning._batch()
            learning._take(reply)
            exchange.append(time.thread_time_ns() - began)
    await orchestrator.stop()
    found = [float(np.median(times)) / 1000 for times in (choose, learn, exchange, reference)]
    return Cost(sites, *found)


def _markdown(costs: list[Cost]) -> str:
    head = ("sites", "choose, µs", "account and learn, µs", "added to a request, µs", "an exchange, µs", "reference, µs")
    rows = [
        (c.sites, *(f"{value:.0f}" for value in (c.choose_us, c.learn_us, c.added_us, c.exchange_us)), f"{c.reference_us:.2f}")
        for c in costs
    ]
    return "\n".join(
        (
            "## What choosing the site costs",
            "",
            "`python -m benchmarks.place --out docs/results.md`: CPU of the gateway's thread, medians. A model with one server",
            "is not scheduled and costs nothing of this. The reference is a product of a vector and a 64 x 64 matrix.",
            "",
            *page.table(head, rows),
        )
    )


def main(
    sites: Annotated[list[int] | None, typer.Option(min=2, help="Sites of the model; repeat for more rows.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure."""
    costs = [measure(number) for number in sites or [3, 10]]
    if out is not None:
        page.write_section(out, "place", _markdown(costs))
    if as_json:
        print(json.dumps([{**asdict(cost), "added_us": cost.added_us} for cost in costs]))
        return
    table = Table("sites", "choose, µs", "learn, µs", "added, µs", "an exchange, µs", "reference, µs")
    for c in costs:
        table.add_row(str(c.sites), *(f"{v:.1f}" for v in (c.choose_us, c.learn_us, c.added_us, c.exchange_us, c.reference_us)))
    Console().print(table)


if __name__ == "__main__":
    run(main)
