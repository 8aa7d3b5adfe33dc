"""`isthmus evaluate`: score Isthmus and the usual alternatives on queries that none of them has seen."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path as FilePath
from typing import Annotated, Any

import typer

from cluster.cli.embedding import embed
from cluster.cli.options import Json, print_json


class Objective(StrEnum):
    """What is saved while accuracy is kept."""

    LATENCY = "latency_s"
    COST = "cost_usd"
    ENERGY = "energy_j"


def evaluate(
    train: Annotated[FilePath, typer.Option(help="Folder with the profile to learn from.", metavar="TABLE")],
    test: Annotated[FilePath, typer.Option(help="Folder with the profile to score on.", metavar="TABLE")],
    objective: Annotated[Objective, typer.Option(help="What to save.")] = Objective.LATENCY,
    as_json: Json = False,
) -> None:
    """Learn on one table of measurements, score on another: our choice of a path against eight other policies."""
    from cluster.evaluate import evaluate as score
    from cluster.profile import read_table

    learnt, unseen = read_table(train), read_table(test)
    result = score(learnt, unseen, objective.value, *embed(learnt.profile.queries, unseen.profile.queries))
    if as_json:
        print_json(result)
    else:
        _print(result)


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console

    from cluster.cli.grid import Grid

    objective = result["objective"]
    head = ("policy", "accuracy", objective, "of best single", "share at its accuracy", f"accuracy at its {objective}", "aiq")
    console = Console()
    console.print(Grid(head, [_row(name, policy) for name, policy in result["policies"].items()]))
    counts = f"{result['train_queries']} queries learnt from, {result['test_queries']} scored, {result['paths']} paths"
    console.print(counts, highlight=False)


def _row(name: str, policy: dict[str, Any]) -> tuple[str, ...]:
    least = policy["objective_ratio_at_best_single_accuracy"]
    return (
        name,
        f"{policy['accuracy']:.3f}",
        f"{policy['objective']:.4g}",
        _share(policy["objective_ratio"]),
        "never" if least is None else _share(least),
        f"{policy['accuracy_at_best_single_objective']:.3f}",
        f"{policy['aiq']:.3f}",
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
