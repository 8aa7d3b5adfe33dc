"""Many openai clients against a running system for a while: nothing may fail, be lost or be answered twice.

    python -m benchmarks.soak [--clients 32] [--seconds 60] [--url http://HOST:PORT/v1] [--model auto] [--json]

Without --url a cluster with echo models is started for the time of the test. Every question is unique and an echo's answer
must be its question, once; every second client streams. Against a system with real models (--no-echo) only the status, the
end of every stream and the uniqueness of the decisions are checked. A request that is refused because a queue is full (429)
is repeated by the openai client as the answer's Retry-After says, and counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import openai
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import page
from benchmarks.command import run
from benchmarks.systems import ray_systems


@dataclass(slots=True)
class Soak:
    """What came of it."""

    echo: bool
    asked: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    """Every HTTP response by its status, those that the client repeated included."""
    failures: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    """Answers with another text than the question, a part of it, or more than it."""
    decisions: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def doubled(self) -> int:
        """Decisions that answered more than one question."""
        return sum(count - 1 for count in self.decisions.values())

    @property
    def lost(self) -> int:
        """Questions without an answer."""
        return self.asked - len(self.latencies_s)

    @property
    def server_errors(self) -> int:
        """Responses with a status of 500 or more."""
        return sum(count for status, count in self.statuses.items() if status >= "500")

    def summary(self) -> dict[str, object]:
        """The counts and percentiles."""
        p50, p95, p99 = (float(np.quantile(self.latencies_s or [np.nan], share)) for share in (0.5, 0.95, 0.99))
        counts = {"asked": self.asked, "answered": len(self.latencies_s), "lost": self.lost, "wrong": self.wrong}
        return {
            **counts,
            "doubled": self.doubled,
            "server_errors": self.server_errors,
            "statuses": dict(self.statuses),
            "failures": dict(self.failures),
            "p50_s": p50,
            "p95_s": p95,
            "p99_s": p99,
        }

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong."""
        return bool(self.latencies_s) and not (self.lost or self.wrong or self.doubled or self.server_errors or self.failures)


async def soak(
    url: str, model: str, clients: int, seconds: float, *, echo: bool, key: str = "none", show: Callable[[float], None]
) -> Soak:
    """Ask `url` with `clients` at once for `seconds`, each with its own question after the other.

    `show` is told every second for how many of them it has asked.
    """
    result = Soak(echo)

    async def note(response: Any) -> None:
        result.statuses[str(response.status_code)] += 1

    transport = openai.DefaultAsyncHttpxClient(event_hooks={"response": [note]}, timeout=120)
    async with openai.AsyncOpenAI(base_url=url, api_key=key, http_client=transport, max_retries=10) as client:
        began = time.monotonic()
        shown = asyncio.create_task(_tick(began, show))
        await asyncio.gather(*(_client(client, model, number, began + seconds, result) for number in range(clients)))
        shown.cancel()
    return result


async def _tick(began: float, show: Callable[[float], None]) -> None:
    while True:
        show(time.monotonic() - began)
        await asyncio.sleep(1.0)


async def _client(client: openai.AsyncOpenAI, model: str, number: int, until: float, result: Soak) -> None:
    turn = 0
    while time.monotonic() < until:
        turn += 1
        question = f"Question {turn} of client {number}: which lamp is on?"
        asked = time.monotonic()
        result.asked += 1
        try:
            text, decision = await (_streamed if number % 2 else _whole)(client, model, question)
        except openai.OpenAIError as error:
            result.failures[f"{type(error).__name__}: {error}"[:200]] += 1
            continue
        result.latencies_s.append(time.monotonic() - asked)
        result.decisions[decision] += 1
        result.wrong += text != question if result.echo else not text


async def _whole(client: openai.AsyncOpenAI, model: str, question: str) -> tuple[str, str]:
    answer = await client.chat.completions.create(model=model, messages=[{"role": "user", "content": question}])
    return answer.choices[0].message.content or "", _decision(answer.model_extra)


async def _streamed(client: openai.AsyncOpenAI, model: str, question: str) -> tuple[str, str]:
    stream = await client.chat.completions.create(model=model, messages=[{"role": "user", "content": question}], stream=True)
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    return text, _decision(chunks[-1].model_extra)


def _decision(extra: dict[str, object] | None) -> str:
    told = (extra or {}).get("isthmus")
    return str(told["decision_id"]) if isinstance(told, dict) else "an answer that did not end"


def _markdown(result: Soak, clients: int, seconds: float) -> str:
    summary = result.summary()
    head = ("asked", "answered", "lost", "wrong", "doubled", "server_errors")
    return "\n".join(
        (
            "## Many clients at once",
            "",
            f"`python -m benchmarks.soak --out docs/results.md`: {clients} clients for {seconds:g} s, whole answers and streams.",
            "",
            *page.table([name.replace("_", " ") for name in head], [[summary[name] for name in head]]),
        )
    )


@contextmanager
def _target(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with TemporaryDirectory() as folder, ray_systems(Path(folder), ["isthmus"]) as systems:
        yield systems[0].url


def main(
    clients: Annotated[int, typer.Option(min=1, help="Clients that ask at once.")] = 32,
    seconds: Annotated[float, typer.Option(min=1, help="How long they go on asking.")] = 60.0,
    url: Annotated[
        str | None, typer.Option(help="A running system's address up to /v1; a cluster is started without it.")
    ] = None,
    model: Annotated[str, typer.Option(help="Path or model to ask.")] = "auto",
    echo: Annotated[bool, typer.Option(help="Answers must repeat their questions.")] = True,
    key_env: Annotated[str | None, typer.Option(help="Environment variable with the API key.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Soak a system. Exit code 1 when anything failed, was lost, wrong or doubled."""
    key = os.environ.get(key_env, "") if key_env else "none"
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("a cluster starts" if url is None else url, total=seconds)
        with _target(url) as address:
            progress.update(task, description=address)

            def show(done: float) -> None:
                progress.update(task, completed=min(done, seconds))

            result = asyncio.run(soak(address, model, clients, seconds, echo=echo, key=key, show=show))
    if out is not None:
        page.write_section(out, "soak", _markdown(result, clients, seconds))
    if as_json:
        print(json.dumps(result.summary()))
    else:
        table = Table(title=f"{clients} clients for {seconds:g} s")
        table.add_column("")
        table.add_column("", justify="right")
        for name, value in result.summary().items():
            table.add_row(name, f"{value:.3f}" if isinstance(value, float) else str(value))
        Console().print(table)
    raise typer.Exit(0 if result.clean else 1)


if __name__ == "__main__":
    run(main)
