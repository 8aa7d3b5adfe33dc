"""Recall of the retrieve options on documents and questions written by others.

    python -m benchmarks.retrieval [--data ../shared/data] [--cache DIR] [--collection NAME ...] [--json]

Collections, under DATA/rag: `smart_tv` (one manual, questions of experts with the section that answers them), `manuals`
(the same questions over 34 manuals) and `ragsmith` (Wikipedia passages of six domains). Recall at k is the mean share of a
question's gold passages among the first k found; a section that was cut counts as found with any of its pieces.
The questions are also split in two halves by their hash: `tuned` is the one on which choices may be made, `held` is not.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from zlib import crc32

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks import page
from benchmarks.command import run
from cluster.cli.grid import Grid
from cluster.config import Documents
from cluster.encoder import open_encoder
from cluster.index import Index, build_index, open_index
from deployments.retrieve import RETRIEVERS

DEPTH = 10
TV = "smart_tv_remote_manual_corpus"


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the names of the rows that answer it."""

    text: str
    gold: frozenset[str]

    @property
    def held(self) -> bool:
        """Whether it belongs to the half that no choice was made on."""
        return crc32(self.text.encode()) % 2 == 1


@dataclass(frozen=True, slots=True)
class Collection:
    """Rows as in a jsonl document, `{"id", "title", "text"}`, and questions about them."""

    name: str
    rows: Sequence[dict[str, str]]
    questions: Sequence[Question]
    chunk_words: int = 120


@dataclass(frozen=True, slots=True)
class Score:
    """One retrieve option on one half, or all, of a collection's questions."""

    collection: str
    passages: int
    option: str
    half: str
    questions: int
    recall_1: float
    recall_5: float
    recall_10: float
    mrr: float
    seconds_per_query: float


def smart_tv(rag: Path) -> Collection:
    """The manual of a smart TV and its remote control: 261 sections, 684 questions."""
    return _manuals(rag, "smart_tv", lambda manual: manual == TV)


def manuals(rag: Path) -> Collection:
    """The same questions over the sections of 34 manuals, most of them of telephones."""
    return _manuals(rag, "manuals", lambda manual: True)


def ragsmith(rag: Path) -> Collection:
    """2,619 passages, 600 questions; each passage stays whole, as its authors cut it."""
    rows = [
        {"id": row["id"], "title": f"{row['title']} > {row['heading_path']}", "text": row["content"]}
        for row in _jsonl(rag / "ragsmith/chunks.jsonl")
    ]
    questions = [
        Question(row["question"], frozenset(row["related_chunk_ids"])) for row in _jsonl(rag / "ragsmith/questions.jsonl")
    ]
    return Collection("ragsmith", rows, questions, chunk_words=200)


COLLECTIONS: dict[str, Callable[[Path], Collection]] = {"smart_tv": smart_tv, "ragsmith": ragsmith, "manuals": manuals}


def _manuals(rag: Path, name: str, wanted: Callable[[str], bool]) -> Collection:
    sections = [row for row in _jsonl(rag / "emanual/sections.jsonl") if wanted(row["manual"])]
    rows = [{"id": _section_id(row), "title": row["title"], "text": row["text"]} for row in sections]
    tv = [row for row in sections if row["manual"] == TV]
    titles = [_plain(row["title"]) for row in tv]
    questions = [
        Question(row["question"], frozenset({_section_id(tv[section_of(row["section_path"], titles)])}))
        for row in _jsonl(rag / "emanual/smart_tv_remote_qa.jsonl")
    ]
    return Collection(name, rows, questions)


def section_of(path: str, titles: Sequence[str]) -> int:
    """The section that a gold path such as `Connections>Connecting to the Internet>Wired` points into.

    The manual is a flat list of sections, whose `titles` (in plain words) may repeat and may be cut off at the end of a
    line; the path names chapter, section and perhaps a heading inside. So each part is looked for after the one before.
    """
    at = -1
    for part in map(_plain, path.split(">")):
        same = (
            i for i in range(at + 1, len(titles)) if titles[i] == part or (len(titles[i]) > 40 and part.startswith(titles[i]))
        )
        at = next(same, at)
    if at < 0:
        raise ValueError(f"no section has a title of {path!r}")
    return at


def evaluate(collection: Collection, index: Index) -> list[Score]:
    """All retrieve options on all questions."""
    scores = []
    for option in RETRIEVERS:
        retriever = RETRIEVERS[option](index, open_encoder())  # one that remembers no question, so that seconds are true
        started = time.perf_counter()
        found = [retriever.search([question.text], DEPTH)[0] for question in collection.questions]
        seconds = (time.perf_counter() - started) / len(found)
        sources = [[passage.source.partition("#")[2] for passage in passages] for passages in found]
        for half in ("tuned", "held", "all"):
            asked = [
                (question.gold, names)
                for question, names in zip(collection.questions, sources, strict=True)
                if half == "all" or question.held == (half == "held")
            ]
            scores.append(_score(collection.name, len(index), option, half, asked, seconds))
    return scores


def _score(
    collection: str, passages: int, option: str, half: str, asked: Sequence[tuple[frozenset[str], list[str]]], seconds: float
) -> Score:
    first, five, ten = (_mean([len(gold.intersection(names[:k])) / len(gold) for gold, names in asked]) for k in (1, 5, 10))
    mrr = _mean([next((1 / rank for rank, name in enumerate(names, start=1) if name in gold), 0.0) for gold, names in asked])
    return Score(collection, passages, option, half, len(asked), first, five, ten, mrr, seconds)


def indexed(collection: Collection, cache: Path, progress: Progress) -> tuple[Index, float]:
    """The index of a collection, built under `cache` unless it is there, with the seconds that it took now."""
    folder = cache / collection.name
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) for row in collection.rows)
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    documents = Documents(folder=folder, index=folder / ".index", chunk_words=collection.chunk_words)
    encoder = open_encoder(threads=os.cpu_count() or 1)
    task = progress.add_task(f"index {collection.name}", total=None)
    report = build_index(documents, encoder, lambda phase, done, total: progress.update(task, completed=done, total=total))
    return open_index(documents.index, encoder), report.seconds


def main(
    data: Annotated[Path, typer.Option(envvar="ISTHMUS_DATA", help="Folder with rag/.")] = Path("../shared/data"),
    cache: Annotated[Path | None, typer.Option(help="Keeps the indexes for the next time.")] = None,
    collection: Annotated[list[str] | None, typer.Option(help="Of smart_tv, ragsmith, manuals; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure bm25, dense and hybrid."""
    names = collection or ["smart_tv", "ragsmith"]
    if unknown := set(names) - set(COLLECTIONS):
        raise typer.BadParameter(f"no collection is called {min(unknown)!r}; there are {', '.join(COLLECTIONS)}")
    if not (data / "rag").is_dir():
        raise typer.BadParameter(f"{data} has no folder rag; name the data with --data or ISTHMUS_DATA")
    scores: list[Score] = []
    seconds: dict[str, float] = {}
    with TemporaryDirectory() as temporary, Progress(console=Console(stderr=True)) as progress:
        for name in names:
            loaded = COLLECTIONS[name](data / "rag")
            index, seconds[name] = indexed(loaded, cache or Path(temporary), progress)
            scores += evaluate(loaded, index)
    if out is not None:
        page.write_section(out, "retrieval", _markdown(scores))
    if as_json:
        typer.echo(json.dumps({"index_seconds": seconds, "scores": [asdict(score) for score in scores]}, indent=2))
    else:
        _print(scores, seconds)


def _print(scores: Sequence[Score], seconds: dict[str, float]) -> None:
    head = ("collection", "option", "half", "asked", "recall@1", "recall@5", "recall@10", "MRR", "ms per query")
    rows = []
    for score in scores:
        shares = (f"{share:.3f}" for share in (score.recall_1, score.recall_5, score.recall_10, score.mrr))
        spent = f"{score.seconds_per_query * 1e3:.1f}"
        rows.append((score.collection, score.option, score.half, str(score.questions), *shares, spent))
    console = Console()
    console.print(Grid(head, rows))
    for name, taken in seconds.items():
        passages = next(score.passages for score in scores if score.collection == name)
        console.print(f"{name}: {passages} passages, indexed in {taken:.1f} s")


def _markdown(scores: Sequence[Score]) -> str:
    rows = [
        (s.collection, s.option, s.questions, *(f"{share:.3f}" for share in (s.recall_1, s.recall_5, s.recall_10, s.mrr)))
        for s in scores
        if s.half == "all"
    ]
    head = ("collection", "option", "questions", "recall@1", "recall@5", "recall@10", "MRR")
    return "\n".join(
        (
            "## Retrieval on documents of others",
            "",
            "`python -m benchmarks.retrieval --out docs/results.md`: a smart TV's manual with experts' questions, and Wikipedia",
            "passages in six domains.",
            "",
            *page.table(head, rows),
        )
    )


def _section_id(row: dict[str, str]) -> str:
    return f"{row['manual']}/{row['section']}"


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text).casefold().strip()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _jsonl(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


if __name__ == "__main__":
    run(main)
