"""Whether a split model says what the unsplit one says, on every question of the demo home.

    python -m benchmarks.split_exact [--every 1] [--json] [--out docs/results.md]

All questions of `examples/smart_home/home/queries.jsonl`, each with the passages that hold its answer and without any; greedy.
The unsplit model runs in transformers, unrounded; of the split one both parts run in this process, and states cross as
floats of 16 bits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from tokenizers import Tokenizer

from benchmarks.command import run
from benchmarks.page import table, write_section
from benchmarks.split import DRAFTS, THETA
from benchmarks.split_runs import Bench, Tokens, Way
from deployments import prompts
from deployments.models.split.partition import Partition
from examples.smart_home import shapes
from examples.smart_home.export import CLOUD_FOLDER
from examples.smart_home.huggingface import EXITS_FILE
from examples.smart_home.readers import MAX_ANSWER_TOKENS
from examples.smart_home.tokens import END, render
from policies.split.mode import Kind, Mode

HOME = Path(__file__).parents[1] / "examples/smart_home/home"
EXACT = (
    Way("collaborative@1", Mode(Kind.COLLABORATIVE, 1.0)),
    Way(f"verified@{DRAFTS}", Mode(Kind.VERIFIED, THETA, DRAFTS), rtt_ms=50),
)
WAYS = (*EXACT, Way(f"collaborative@{THETA:g}", Mode(Kind.COLLABORATIVE, THETA)))


@dataclass(frozen=True, slots=True)
class Row:
    """Of one way of answering: how many answers are the unsplit model's, token for token."""

    mode: str
    answers: int
    tokens: int
    same: int


def questions(every: int) -> list[Tokens]:
    """The prompts: each `every`-th question, with and without passages."""
    tokenizer = Tokenizer.from_file(str(CLOUD_FOLDER / "tokenizer.json"))
    documents = {row["id"]: row["text"] for row in _rows(HOME / "documents/home.jsonl")}
    found = []
    for query in _rows(HOME / "queries.jsonl")[::every]:
        for passages in ([documents[name] for name in query["gold"]], []):
            found.append(tokenizer.encode(render(prompts.answer(query["messages"], passages))).ids)
    return found


def measure(asked: Sequence[Tokens], progress: Progress) -> list[Row]:
    """Ask all of them in every way."""
    (end,) = Tokenizer.from_file(str(CLOUD_FOLDER / "tokenizer.json")).encode(END).ids
    first, second = shapes.CLOUD.exits
    partition = Partition(first, second, shapes.CLOUD.layers)
    bench = Bench(CLOUD_FOLDER, partition, CLOUD_FOLDER / EXITS_FILE, MAX_ANSWER_TOKENS, end)
    whole = [bench.reference(prompt) for prompt in progress.track(asked, description="the unsplit model")]
    split = bench.alone(progress.track(asked, description=f"{len(WAYS)} ways of the split one"), WAYS)
    return [
        Row(
            way.name,
            len(given),
            sum(len(answer.tokens) for answer in given),
            sum(answer.tokens == reference for answer, reference in zip(given, whole, strict=True)),
        )
        for way, given in zip(WAYS, split, strict=True)
    ]


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _markdown(rows: Sequence[Row]) -> str:
    shown = [(row.mode, row.answers, f"{row.tokens:,}", row.same) for row in rows]
    return "\n".join(
        (
            "## A split model's answers beside the unsplit model's",
            "",
            "`python -m benchmarks.split_exact --out docs/results.md`: every question of the demo home, with the passages that",
            "hold its answer and without any; greedy, the same token for token as by the unsplit model in single precision.",
            "",
            *table(("mode", "answers", "tokens", "the same"), shown),
        )
    )


def main(
    every: Annotated[int, typer.Option(min=1, help="Only each so many-th question.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask. Exit code 1 when a mode that is to be exact was not."""
    with Progress(console=Console(stderr=True)) as progress:
        rows = measure(questions(every), progress)
    if out is not None:
        write_section(out, "split_exact", _markdown(rows))
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows]))
    else:
        shown = Table("mode", "answers", "tokens", "the same")
        for row in rows:
            shown.add_row(row.mode, str(row.answers), str(row.tokens), str(row.same))
        Console().print(shown)
    if any(row.same < row.answers for row in rows[: len(EXACT)]):
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
