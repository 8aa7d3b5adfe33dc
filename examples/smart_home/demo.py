"""The demo: `python -m examples.smart_home.demo` starts the cluster, asks it about the home, shows the answers, stops it."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Column, Table

from cluster.cli.index import build
from cluster.cli.progress import Progress
from cluster.config import Config, load
from cluster.nodes.running import running
from policies.errors import ConfigurationError, IsthmusError

HERE = Path(__file__).parent
PLAN = (
    ("command-001", "none/bm25@5/none/edge"),
    ("command-002", "none/hybrid@5/none/cloud"),
    ("lookup-001", "none/hybrid@5/none/edge"),
    ("lookup-002", "none/dense@5/none/cloud"),
    ("lookup-003", "none/hybrid@5/compress/cloud"),
    ("troubleshooting-001", "none/hybrid@5/none/cloud"),
    ("comparison-001", "none/hybrid@5/none/cloud"),
    ("comparison-002", "none/hybrid@5/mmr/cloud"),
    ("follow_up-001", "rewrite/hybrid@5/none/cloud"),
    ("follow_up-002", "rewrite/bm25@5/none/edge"),
)
"""Which question of queries.jsonl takes which path; `auto` would take the configuration's default until profiles exist."""
TOLD_LIVE = "troubleshooting-001"
START_S = 300.0
ERRORS = Console(stderr=True, highlight=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """One question of the demo and what came back over HTTP."""

    question: str
    answer: str
    reference: str
    path: str
    site: str
    seconds: float


def main() -> int:
    """Read the command line, run the demo, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=HERE / "isthmus.yaml", help="another configuration of the same home")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        answers = demo(arguments.config.absolute())
    except KeyboardInterrupt:
        ERRORS.print("Stopped.")
        return 130
    except IsthmusError as error:
        for line in (*str(error).splitlines(), *getattr(error, "__notes__", ())):
            ERRORS.print(line, markup=False, soft_wrap=True)
        return 2 if isinstance(error, ConfigurationError) else 1
    if arguments.json:
        print(json.dumps([asdict(answer) for answer in answers], ensure_ascii=False, indent=2))
    else:
        console = Console()
        if not console.is_terminal:
            console = Console(width=150)
        console.print(_table(answers))
    return 0


def demo(file: Path) -> list[Answer]:
    """Index what changed, start the cluster, ask, and stop everything again."""
    began = time.monotonic()
    config = load(file)
    ERRORS.print("[bold]1/3[/] The documents of the home are indexed")
    if config.documents is not None:
        build(config.documents, config.stages.encoder)
    ERRORS.print("[bold]2/3[/] The cluster starts: an edge node and a cloud node on this machine")
    with Progress() as progress, running(config, file, START_S, progress.report) as cluster:
        progress.stop()
        ERRORS.print(f"[bold]3/3[/] {len(PLAN)} questions go to {cluster.url}/v1/chat/completions")
        try:
            answers = list(_ask_all(cluster.url, config))
        except httpx.HTTPError as error:
            raise IsthmusError(f"The gateway at {cluster.url} did not answer ({type(error).__name__}); see its log.") from error
        ERRORS.print("Everything is stopped again")
    ERRORS.print(f"{time.monotonic() - began:.0f} s in all")
    return answers


def _ask_all(url: str, config: Config) -> Iterator[Answer]:
    with (HERE / "home" / "queries.jsonl").open(encoding="utf-8") as lines:
        queries = {row["query_id"]: row for row in map(json.loads, lines)}
    known = {path.name for path in config.paths}
    with httpx.Client(base_url=url, timeout=config.gateway.timeout_s, trust_env=False) as client:
        for number, (name, path) in enumerate(PLAN, start=1):
            query = queries[name]
            ERRORS.print(f"{number:2}/{len(PLAN)}  {query['query']}", markup=False)
            ask = _ask_live if name == TOLD_LIVE else _ask
            began = time.monotonic()
            body = {"model": path if path in known else "auto", "messages": query["messages"]}
            text, isthmus = ask(client, body)
            seconds = time.monotonic() - began
            yield Answer(query["query"], text, query["reference"], isthmus["path"], isthmus["site"], round(seconds, 3))


def _ask(client: httpx.Client, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    response = client.post("/v1/chat/completions", json=body)
    answer = response.json()
    if response.status_code != 200:
        raise IsthmusError(f"The gateway answered {response.status_code}: {answer['error']['message']}")
    return answer["choices"][0]["message"]["content"], answer["isthmus"]


def _ask_live(client: httpx.Client, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The same as a stream, shown as it comes."""
    text, isthmus = "", {}
    ERRORS.print("       streamed: ", end="")
    with client.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as response:
        if response.status_code != 200:
            raise IsthmusError(f"The gateway answered {response.status_code}: {json.loads(response.read())['error']['message']}")
        for line in response.iter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            chunk = json.loads(line.removeprefix("data: "))
            if "error" in chunk:
                raise IsthmusError(f"The answer broke off: {chunk['error']['message']}")
            isthmus = chunk.get("isthmus") or isthmus
            for choice in chunk["choices"]:
                piece = choice["delta"].get("content") or ""
                text += piece
                ERRORS.print(piece, end="", markup=False, soft_wrap=True)
    ERRORS.print()
    return text, isthmus


def _table(answers: list[Answer]) -> Table:
    path = Column("path", overflow="fold")
    table = Table("question", "answer", "reference", path, "site", "seconds", title="The home answers", show_lines=True)
    for a in answers:
        table.add_row(a.question, a.answer, a.reference, a.path, a.site, f"{a.seconds:.2f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
