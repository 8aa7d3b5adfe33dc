"""How little has to be measured, replayed on measurements of others: `python -m benchmarks.exploration [--json | --out PAGE]`.

Two questions. With a tenth of the cells of a training table measured, how much of what Isthmus reaches with all of them does it
still reach on questions not learnt from? And how many of the measured configurations of a retrieval pipeline must be tried
until one within 0.5 % of the best is found?
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks import dots
from benchmarks.command import run
from benchmarks.page import table as grid
from benchmarks.page import write_section
from benchmarks.routing import OBJECTIVES, embed, halves
from cluster.emulator.run import CLUSTERS
from cluster.evaluate import evaluate
from cluster.profile import Table, read_table
from policies.clusters import cluster
from policies.explore import ROUNDS, Cell, Exploration, Found
from policies.forecast import Axis
from policies.frontier import mean_height
from policies.search import next_path

FloatArray = npt.NDArray[np.float64]
Choose = Callable[[Table, FloatArray, Axis, int, np.random.Generator], Sequence[Cell]]
STAGES = slice(5, 15)  # the columns of the ten stages in ragsmith's table
NEAR = 0.005
ENOUGH = 0.98
"""Of what is reached with all cells: what a tenth of them is to reach."""
PICTURE = "exploration.svg"


@dataclass(frozen=True, slots=True)
class Share:
    """What is reached with part of the cells over what is reached with all, medians over the seeds: the accuracy of the policy
    that looks at accuracy alone, and the mean height of its frontier from the cheapest to the best single path."""

    table: str
    way: str
    splits: int
    cells: float
    accuracy: float
    height: float


def explored(table: Table, vectors: FloatArray, objective: Axis, budget: int, rng: np.random.Generator) -> Sequence[Cell]:
    """As the Emulator does it."""
    profile = table.profile
    options = [row.options for row in table.paths]
    exploration = Exploration(vectors, cluster(vectors, CLUSTERS, rng), options, budget, rng)
    cells, seen = list(exploration.trial()), np.full(profile.accuracy.shape, np.nan)
    for left in range(ROUNDS, 0, -1):
        if cells:
            seen[tuple(np.array(cells).T)] = 0.0
        found = Found(profile.accuracy + seen, (getattr(profile, objective) + seen)[None])
        cells += [cell for cell in exploration.round(found, left) if np.isnan(seen[cell])]
    return cells[: exploration.budget]


def random_cells(table: Table, vectors: FloatArray, objective: Axis, budget: int, rng: np.random.Generator) -> Sequence[Cell]:
    """Any cells."""
    queries, paths = table.profile.accuracy.shape
    chosen = rng.choice(queries * paths, size=max(budget, queries), replace=False)
    return [divmod(int(cell), paths) for cell in chosen]


def uniform(table: Table, vectors: FloatArray, objective: Axis, budget: int, rng: np.random.Generator) -> Sequence[Cell]:
    """As many paths for each query, any paths."""
    queries, paths = table.profile.accuracy.shape
    each, more = divmod(max(budget, queries), queries)
    order = rng.permutation(queries)
    return [
        (int(query), int(path)) for place, query in enumerate(order) for path in rng.permutation(paths)[: each + (place < more)]
    ]


WAYS: dict[str, Choose] = {"explored": explored, "random cells": random_cells, "per query": uniform}


def shares(
    name: str, table: Table, vectors: FloatArray, budget: float, seeds: Sequence[int], tick: Callable[[], None]
) -> list[Share]:
    """One row for each way to choose the cells."""
    objective, rows = OBJECTIVES[name], {way: list[tuple[float, float, float]]() for way in WAYS}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        train, test = halves(table, seed)
        learnt, unseen = table.rows(train.tolist()), table.rows(test.tolist())
        whole = _reached(evaluate(learnt, unseen, objective, vectors[train], vectors[test]))
        cells = learnt.profile.accuracy.size
        for way, choose in WAYS.items():
            chosen = choose(learnt, vectors[train], objective, round(budget * cells), rng)
            result = evaluate(_only(learnt, chosen), unseen, objective, vectors[train], vectors[test])
            accuracy, height = _reached(result, whole)[:2]
            rows[way].append((len(chosen) / cells, accuracy / whole[0], height / whole[1]))
            tick()
    return [Share(name, way, len(seeds), *(float(value) for value in np.median(each, axis=0))) for way, each in rows.items()]


Reached = tuple[float, float, float, float]


def _reached(result: dict[str, Any], whole: Reached | None = None) -> Reached:
    """Accuracy, mean height, and the objectives between which that is taken: those of `whole`, if given."""
    policies = result["policies"]
    ends = whole[2:] if whole else (policies["cheapest"]["objective"], policies["best_single"]["objective"])
    ours = policies["isthmus"]
    return ours["accuracy"], mean_height(np.array(ours["frontier"]), *ends), *ends


def _only(table: Table, cells: Sequence[Cell]) -> Table:
    """The table as if nothing but `cells` had been measured."""
    seen = np.full(table.profile.accuracy.shape, np.nan)
    seen[tuple(np.array(cells).T)] = 0.0
    measures = ("accuracy", "latency_s", "cost_usd", "energy_j")
    return replace(table, profile=replace(table.profile, **{name: getattr(table.profile, name) + seen for name in measures}))


def evaluations(file: Path, seeds: Sequence[int]) -> dict[str, dict[str, float]]:
    """For each domain, the median, the worst and the random number of configurations tried until one is near the best."""
    with file.open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    overall, found = header.index("overall"), {}
    for domain in sorted({row[0] for row in rows}):
        measured: dict[tuple[str, ...], list[float]] = {}
        for row in rows:
            if row[0] == domain:
                measured.setdefault(tuple(row[STAGES]), []).append(float(row[overall]))
        options, scores = list(measured), np.array([np.mean(each) for each in measured.values()])
        near = scores >= scores.max() * (1 - NEAR)
        needed = [_needed(options, scores, near, seed) for seed in seeds]
        by_chance = (len(scores) + 1) / (near.sum() + 1)
        found[domain] = {
            "configurations": len(scores),
            "searches": len(needed),
            "median": float(np.median(needed)),
            "most": max(needed),
            "random": by_chance,
        }
    return found


def _needed(options: Sequence[tuple[str, ...]], scores: FloatArray, near: npt.NDArray[np.bool_], seed: int) -> int:
    rng, tried = np.random.default_rng(seed), list[int]()
    while not tried or not near[tried[-1]]:
        tried.append(next_path(options, tried, scores[tried].tolist(), rng))
    return len(tried)


def main(
    data: Annotated[Path, typer.Option(help="Folder with outcomes/ and rag/.", envvar="ISTHMUS_DATA")] = Path("../shared/data"),
    cache: Annotated[Path, typer.Option(help="Folder for the vectors.")] = Path(".isthmus/vectors"),
    table: Annotated[list[str] | None, typer.Option(help="Only these tables.")] = None,
    budget: Annotated[float, typer.Option(help="Share of the cells.")] = 0.1,
    seeds: Annotated[int, typer.Option(help="Splits of each table.")] = 20,
    searches: Annotated[int, typer.Option(help="Searches in each domain.")] = 50,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    tables = {name: read_table(data / "outcomes" / name) for name in table or OBJECTIVES}
    names = [name for name, measured in tables.items() if len(measured.paths) * budget >= 1]
    rows: list[Share] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replaying", total=len(names) * seeds * len(WAYS))
        for name in names:
            vectors = embed(name, tables[name], cache)
            rows += shares(name, tables[name], vectors, budget, range(seeds), lambda: progress.advance(task))
        progress.update(task, description="searching")
        found = evaluations(data / "rag" / "ragsmith" / "paths.csv", range(searches)) if searches else {}
    if out is not None:
        write_section(out, "exploration", _markdown(rows, found))
        kept = {name: {row.way: min(row.accuracy, row.height) for row in rows if row.table == name} for name in names}
        out.with_name(PICTURE).write_text(dots.picture(kept, "share of what all cells reach", ENOUGH), encoding="utf-8")
    if as_json:
        print(json.dumps({"shares": [asdict(row) for row in rows], "search": found}, indent=2))
    else:
        print(_markdown(rows, found))


def _markdown(rows: Sequence[Share], found: dict[str, dict[str, float]]) -> str:
    lines = [
        "## How little has to be measured",
        "",
        "`python -m benchmarks.exploration --out docs/results.md`: of the training part of a split by question text, a tenth of",
        "the cells is measured, at least one for each query; medians over the splits of what is then reached on the other",
        "questions, over what is reached with all cells.",
        "Where a tenth is less than one cell for each query, as with two paths, there is nothing to replay.",
        "Accuracy is that of routing for accuracy alone, height the mean of the frontier's.",
        "",
        *grid(
            ("table", "cells chosen", "splits", "share of cells", "accuracy kept", "height kept"),
            [(row.table, row.way, row.splits, f"{row.cells:.3f}", f"{row.accuracy:.4f}", f"{row.height:.4f}") for row in rows],
        ),
        "",
        f"![The lower of both shares for each table and way to choose cells]({PICTURE})",
    ]
    if found:
        lines += [
            "",
            f"Configurations of ragsmith's retrieval pipeline tried until one is within {NEAR:.1%} of the best of its domain,",
            "and how many it takes at random. A genetic search published with the measurements took about 100.",
            "",
            *grid(
                ("domain", "configurations", "searches", "median tried", "most tried", "at random"),
                [
                    (domain, *(f"{each[key]:.0f}" for key in ("configurations", "searches", "median", "most", "random")))
                    for domain, each in found.items()
                ],
            ),
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
