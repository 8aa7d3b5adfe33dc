"""Score the exported models on homes they have never seen: `python -m examples.smart_home.evaluate [--json]`.

Every question is asked with its gold passages, with three distracting passages among them, and without any.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table
from tokenizers import Tokenizer

from deployments import prompts
from deployments.prompts import Message
from examples.smart_home.ask import ask
from examples.smart_home.curriculum import EVALUATION_SEEDS
from examples.smart_home.documents import Document, documents_of
from examples.smart_home.exits import exits_right, load_cloud
from examples.smart_home.export import CLOUD_FOLDER, EDGE_FILE
from examples.smart_home.home import Home, make_home
from examples.smart_home.lesson import instructions
from examples.smart_home.query import KINDS, Query
from examples.smart_home.readers import LlamaCppReader, Reader, TransformersReader
from policies.metrics import exact_match, json_equal, token_f1

CONDITIONS = ("gold", "gold+3", "none")
_QUERIES_PER_HOME = 4  # of each kind
_DEVICES = 34  # as many as the shipped home has


@dataclass(frozen=True, slots=True)
class Item:
    """A prompt with its reference. `condition` says which passages it holds."""

    kind: str
    condition: str
    messages: Sequence[Message]
    reference: str


def main() -> None:
    """Read the command line, score, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=("edge", "cloud", "both"), default="both")
    parser.add_argument("--queries", type=int, default=100, help="queries of each kind and condition")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    parser.add_argument("--out", type=Path, help="put the scores into this JSON file, too; other models' stay")
    arguments = parser.parse_args()
    items = list(make_items(arguments.queries))
    names = ("edge", "cloud") if arguments.model == "both" else (arguments.model,)
    scores = {name: score(_reader(name), items, name) for name in names}
    if "cloud" in names:
        scores |= score_exits(items)
    if arguments.out:
        before = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
        arguments.out.write_text(json.dumps(before | scores, indent=2) + "\n")
    if arguments.json:
        print(json.dumps(scores, indent=2))
    else:
        _print(scores)


def make_items(per_kind: int) -> Iterator[Item]:
    """Prompts over unseen homes: every kind under every condition, and the four instructions."""
    for number in range(-(-per_kind // _QUERIES_PER_HOME)):
        home = make_home(EVALUATION_SEEDS + number, _DEVICES)
        random, documents = Random(f"evaluation {home.seed}"), documents_of(home)
        for kind in KINDS:
            for _ in range(_QUERIES_PER_HOME):
                yield from _conditions(ask(home, kind, random), documents, random)
        yield from _instructions(home, random)


def _conditions(query: Query, documents: list[Document], random: Random) -> Iterator[Item]:
    gold = [document for document in documents if document.id in query.gold]
    crowd = gold + _distractors(gold, documents, random)
    random.shuffle(crowd)
    for condition, passages in zip(CONDITIONS, (gold, crowd, []), strict=True):
        messages = prompts.answer(query.messages, [document.text for document in passages])
        yield Item(query.kind, condition, messages, query.reference)


def _distractors(gold: list[Document], documents: list[Document], random: Random) -> list[Document]:
    """Three others: one about the same device, one of the same page of another device, one of either."""
    names = {document.id.rsplit("-", 1)[0] for document in gold}
    pages = {document.id.rsplit("-", 1)[1] for document in gold}
    others = [document for document in documents if document not in gold]
    same_device = [document for document in others if document.id.rsplit("-", 1)[0] in names]
    same_page = [document for document in others if document.id.rsplit("-", 1)[1] in pages]
    chosen: list[Document] = []
    for group in (same_device, same_page, same_device + same_page):
        left = [document for document in group or others if document not in chosen]
        chosen.append(random.choice(left or others))
    return chosen


def _instructions(home: Home, random: Random) -> Iterator[Item]:
    for exercise in instructions(home, 2 * _QUERIES_PER_HOME, random):
        yield Item(exercise.tag, "none", exercise.messages, exercise.answer)


def score(reader: Reader, items: list[Item], name: str) -> dict[str, Any]:
    """By kind and condition: number of prompts, exact match, token F1 and (commands) JSON equality."""
    hits: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
    for item in track(items, description=name, console=Console(stderr=True)):
        said = reader.answer(item.messages)
        measured = (exact_match(said, item.reference), token_f1(said, item.reference), json_equal(said, item.reference))
        hits.setdefault(item.kind, {}).setdefault(item.condition, []).append(measured)
    return {kind: {c: _summary(kind, rows) for c, rows in found.items()} for kind, found in hits.items()}


def score_exits(items: list[Item]) -> dict[str, Any]:
    """Exact match of each early exit alone, as `cloud@LAYERS`, where passages were given."""
    model, tokenizer = load_cloud(CLOUD_FOLDER), Tokenizer.from_file(str(CLOUD_FOLDER / "tokenizer.json"))
    hits: dict[str, dict[str, dict[str, list[bool]]]] = {}
    for item in track(items, description="exits", console=Console(stderr=True)):
        if item.condition != "none":
            for depth, right in zip(model.shape.exits, exits_right(model, tokenizer, item), strict=False):
                kinds = hits.setdefault(f"cloud@{depth}", {})
                kinds.setdefault(item.kind, {}).setdefault(item.condition, []).append(right)
    return {
        name: {kind: {c: {"exact_match": round(mean(rows), 4)} for c, rows in found.items()} for kind, found in kinds.items()}
        for name, kinds in hits.items()
    }


def _summary(kind: str, rows: list[tuple[float, float, float]]) -> dict[str, float]:
    exact, f1, equal = (round(mean(column), 4) for column in zip(*rows, strict=True))
    summary = {"prompts": len(rows), "exact_match": exact, "token_f1": f1}
    return summary | {"json_equal": equal} if kind == "command" else summary


def _reader(name: str) -> Reader:
    return LlamaCppReader(EDGE_FILE) if name == "edge" else TransformersReader(CLOUD_FOLDER)


def _print(scores: dict[str, Any]) -> None:
    table = Table("model", "kind", *CONDITIONS, title="Exact match on unseen homes")
    for name, kinds in scores.items():
        for kind, found in kinds.items():
            cells = (f"{found[c]['exact_match']:.2f}" if c in found else "" for c in CONDITIONS)
            table.add_row(name, kind, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
