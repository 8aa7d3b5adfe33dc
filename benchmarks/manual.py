"""A real manual through the running system: every expert question over HTTP, by an edge and by a cloud path.

    python -m benchmarks.manual [--data ../shared/data] [--work DIR] [--questions N] [--json]

Writes the smart-TV manual as a documents folder with a configuration beside it, runs `isthmus index` and `isthmus up`,
and asks all questions with an `openai` client. What is tested is the system and its retrieval: whether every question is
answered, whether the section that answers it is among the sources, and how long it takes. The demo's small models know
nothing of televisions, so their words are not scored.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import httpx
import numpy as np
import typer
import yaml
from openai import AsyncOpenAI, OpenAIError
from rich.console import Console
from rich.progress import Progress

from benchmarks import page
from benchmarks.command import run
from benchmarks.retrieval import Collection, Question, smart_tv
from cluster.cli.grid import Grid

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "examples/smart_home/models"
RETRIEVE = "hybrid@5"
PATHS = {"edge": f"none/{RETRIEVE}/none/edge", "cloud": f"none/{RETRIEVE}/none/cloud"}
CLIENTS = 4
MAX_TOKENS = 48


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one question."""

    seconds: float
    text: str | None
    gold_found: bool
    sources: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Score:
    """One path over all questions."""

    path: str
    questions: int
    answered: int
    with_sources: int
    gold_in_sources: float
    p50_s: float
    p95_s: float
    errors: tuple[str, ...]


def configuration(chunk_words: int, http: int, ray: int, dashboard: int) -> dict[str, object]:
    """One edge and one cloud site with the demo's models, on ports of its own."""
    return {
        "domain": "smart_tv_manual",
        "cluster": {"port": ray, "dashboard_port": dashboard},
        "gateway": {"port": http, "timeout_s": 300},
        # the passages of `benchmarks.retrieval`, to compare with; the gateway shortens them where a model's context is too small
        "documents": {"folder": "documents", "index": "index", "chunk_words": chunk_words},
        "models": {
            "edge": {"engine": "llama_cpp", "tier": "edge", "path": str(MODELS / "edge/edge.gguf"), "context_tokens": 2048},
            "cloud": {"engine": "vllm", "tier": "cloud", "path": str(MODELS / "cloud"), "context_tokens": 2048},
        },
        "stages": {"retrieve": [RETRIEVE]},
    }


def command(*words: str) -> None:
    """Run `isthmus` as a user would; its progress is shown."""
    subprocess.run([sys.executable, "-m", "cluster.cli", *words], check=True, cwd=ROOT, stdout=sys.stderr)


@contextmanager
def running(work: Path, collection: Collection, ports: tuple[int, int, int]) -> Iterator[str]:
    """The address of a cluster that serves `collection`; it is stopped at the end, whatever happens."""
    (work / "documents").mkdir(parents=True, exist_ok=True)
    rows = (json.dumps(row, ensure_ascii=False) for row in collection.rows)
    (work / "documents/manual.jsonl").write_text("\n".join(rows), encoding="utf-8")
    file = work / "isthmus.yaml"
    file.write_text(yaml.safe_dump(configuration(collection.chunk_words, *ports), sort_keys=False), encoding="utf-8")
    command("index", "--config", str(file))
    command("up", "--detach", "--config", str(file))
    try:
        yield f"http://127.0.0.1:{ports[0]}/v1"
    finally:
        command("down", "--config", str(file))


async def ask(client: AsyncOpenAI, path: str, question: Question) -> Answer:
    """One question; a failure is an answer too."""
    began = time.perf_counter()
    try:
        reply = await client.chat.completions.create(
            model=path, messages=[{"role": "user", "content": question.text}], max_tokens=MAX_TOKENS
        )
    except OpenAIError as error:
        return Answer(time.perf_counter() - began, None, False, 0, str(error))
    sources = (reply.model_extra or {})["isthmus"]["sources"]
    named = {source["source"].partition("#")[2] for source in sources}
    text = reply.choices[0].message.content
    return Answer(time.perf_counter() - began, text, question.gold <= named, len(sources), None)


async def ask_all(url: str, path: str, questions: Sequence[Question], progress: Progress) -> list[Answer]:
    """All questions by one path, a few at a time."""
    task = progress.add_task(path, total=len(questions))
    places = asyncio.Semaphore(CLIENTS)
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=httpx.Timeout(310)) as client:

        async def one(question: Question) -> Answer:
            async with places:
                answer = await ask(client, path, question)
            progress.advance(task)
            return answer

        return await asyncio.gather(*map(one, questions))


def score(path: str, answers: Sequence[Answer]) -> Score:
    """The row of a path."""
    seconds = [answer.seconds for answer in answers]
    return Score(
        path,
        len(answers),
        sum(bool(answer.text) for answer in answers),
        sum(answer.sources > 0 for answer in answers),
        sum(answer.gold_found for answer in answers) / len(answers),
        float(np.percentile(seconds, 50)),
        float(np.percentile(seconds, 95)),
        tuple(sorted({answer.error for answer in answers if answer.error})),
    )


def main(
    data: Annotated[Path, typer.Option(envvar="ISTHMUS_DATA", help="Folder with rag/.")] = Path("../shared/data"),
    work: Annotated[Path | None, typer.Option(help="Keeps documents and index for the next time.")] = None,
    questions: Annotated[int | None, typer.Option(min=1, help="Only the first N questions.")] = None,
    port: Annotated[int, typer.Option(help="HTTP port; Ray takes the two ports above it.")] = 8310,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask the manual's questions through the running system."""
    if not (data / "rag/emanual").is_dir():
        raise typer.BadParameter(f"{data} has no folder rag/emanual; name the data with --data or ISTHMUS_DATA")
    collection = smart_tv(data / "rag")
    with TemporaryDirectory(prefix="isthmus-") as temporary:
        place = (work or Path(temporary)).absolute()
        with running(place, collection, (port, port + 1, port + 2)) as url, Progress(console=Console(stderr=True)) as progress:
            asked = collection.questions[:questions]
            scores = [score(path, asyncio.run(ask_all(url, path, asked, progress))) for path in PATHS.values()]
    if out is not None:
        page.write_section(out, "manual", _markdown(scores))
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in scores], indent=2))
    else:
        _print(scores)
    if any(row.answered < row.questions or row.with_sources < row.questions for row in scores):
        raise typer.Exit(1)


def _markdown(scores: Sequence[Score]) -> str:
    rows = [
        (r.path, r.questions, r.answered, r.with_sources, f"{r.gold_in_sources:.3f}", f"{r.p50_s:.2f}", f"{r.p95_s:.2f}")
        for r in scores
    ]
    head = ("path", "asked", "answered", "with sources", "gold section found", "p50 s", "p95 s")
    return "\n".join(
        (
            "## A real manual through the running system",
            "",
            f"`python -m benchmarks.manual --out docs/results.md`: experts' questions on a television, {CLIENTS} at a time.",
            "The demo's small models know nothing of televisions, so what they say is not scored; retrieval and system are.",
            "",
            *page.table(head, rows),
        )
    )


def _print(scores: Sequence[Score]) -> None:
    rows = []
    for row in scores:
        counts = (row.questions, row.answered, row.with_sources)
        rows.append((row.path, *map(str, counts), f"{row.gold_in_sources:.3f}", f"{row.p50_s:.2f}", f"{row.p95_s:.2f}"))
    console = Console()
    console.print(Grid(("path", "asked", "answered", "with sources", "gold found", "p50 s", "p95 s"), rows))
    for row in scores:
        for error in row.errors:
            console.print(f"{row.path}: {error}", highlight=False, markup=False)


if __name__ == "__main__":
    run(main)
