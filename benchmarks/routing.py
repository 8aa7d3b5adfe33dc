"""The choice of a path on measurements of others, on questions not learnt from: `python -m benchmarks.routing [--json]`.

Each table of DATA/outcomes is split by question text, 7 to 3, with several seeds; `isthmus evaluate` scores every split.
Vectors are kept in --cache, since embedding takes longer than everything else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table as Grid

from cluster.encoder import open_encoder
from cluster.evaluate import evaluate
from cluster.profile import Table, read_table
from policies.forecast import Axis

LEARNT = 0.7
PLAIN = ("zero_router", "knn", "kmeans", "ridge")
OBJECTIVES: dict[str, Axis] = {
    "smart_home": "latency_s",
    "nq_rag_energy": "energy_j",
    "routellm_mmlu": "cost_usd",
    "routellm_gsm8k": "cost_usd",
    "routerbench_mbpp": "cost_usd",
    "routerbench_arc_challenge": "cost_usd",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Means over the splits of one table; `least` is the median share of the best single path's objective at its accuracy."""

    table: str
    objective: Axis
    splits: int
    accuracy_gain: float
    least: float | None
    gain_at_equal_objective: float
    aiq: dict[str, float]

    @property
    def lead(self) -> float:
        """aiq over the best of the plain policies."""
        return self.aiq["isthmus"] - max(self.aiq[name] for name in PLAIN)


def score(name: str, table: Table, vectors: npt.NDArray[np.float64], seeds: Sequence[int]) -> Row:
    """Evaluate `table` on one split per seed."""
    results = [_split(table, vectors, OBJECTIVES[name], seed) for seed in seeds]
    ours = [result["isthmus"] for result in results]
    best = [result["best_single"]["accuracy"] for result in results]
    never = float("inf")
    least = float(np.median([_or(policy["objective_ratio_at_best_single_accuracy"], never) for policy in ours]))
    gains = [policy["accuracy"] - accuracy for policy, accuracy in zip(ours, best, strict=True)]
    equal = [policy["accuracy_at_best_single_objective"] - accuracy for policy, accuracy in zip(ours, best, strict=True)]
    aiq = {policy: float(np.mean([result[policy]["aiq"] for result in results])) for policy in results[0]}
    least_or_none = None if least == never else least
    return Row(name, OBJECTIVES[name], len(seeds), float(np.mean(gains)), least_or_none, float(np.mean(equal)), aiq)


def embed(name: str, table: Table, cache: Path) -> npt.NDArray[np.float64]:
    """Unit vectors of the questions, from `cache` where they are there."""
    file = cache / f"{name}.npy"
    if not file.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(file, open_encoder().encode(table.profile.queries))
    return np.asarray(np.load(file), dtype=np.float64)


def _split(table: Table, vectors: npt.NDArray[np.float64], objective: Axis, seed: int) -> dict[str, Any]:
    texts, of_query = np.unique(np.array(table.profile.queries), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(texts))
    learnt = np.isin(of_query, order[: int(LEARNT * len(texts))])
    train, test = np.flatnonzero(learnt), np.flatnonzero(~learnt)
    result = evaluate(table.rows(train.tolist()), table.rows(test.tolist()), objective, vectors[train], vectors[test])
    policies: dict[str, Any] = result["policies"]
    return policies


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def main(
    data: Annotated[Path, typer.Option(help="Folder with outcomes/.", envvar="ISTHMUS_DATA")] = Path("../shared/data"),
    cache: Annotated[Path, typer.Option(help="Folder for the vectors.")] = Path(".isthmus/vectors"),
    table: Annotated[list[str] | None, typer.Option(help="Only these tables.")] = None,
    seeds: Annotated[int, typer.Option(help="Splits of each table.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    rows = []
    for name in table or OBJECTIVES:
        measured = read_table(data / "outcomes" / name)
        rows.append(score(name, measured, embed(name, measured, cache), range(seeds)))
    if as_json:
        print(json.dumps([{**{key: getattr(row, key) for key in Row.__slots__}, "lead": row.lead} for row in rows], indent=2))
    else:
        Console(width=int(os.environ.get("COLUMNS", "140"))).print(_grid(rows))


def _grid(rows: Sequence[Row]) -> Grid:
    grid = Grid("table", "objective", "accuracy gain", "least share at equal accuracy", "gain at equal objective", "aiq", "lead")
    for row in rows:
        least = "never" if row.least is None else f"{row.least:.3f}"
        numbers = (f"{row.gain_at_equal_objective:+.4f}", f"{row.aiq['isthmus']:.4f}", f"{row.lead:+.4f}")
        grid.add_row(row.table, row.objective, f"{row.accuracy_gain:+.4f}", least, *numbers)
    return grid


if __name__ == "__main__":
    typer.run(main)
