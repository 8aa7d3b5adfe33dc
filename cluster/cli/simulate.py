"""`isthmus simulate`: policies on a simulated cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.options import Json, print_json

if TYPE_CHECKING:
    from cluster.simulation.result import RunResult
    from cluster.simulation.run import Prepared
    from cluster.simulation.summary import PolicySummary


def simulate(
    scenario: Annotated[FilePath, typer.Argument(metavar="SCENARIO.yaml", help="Sites, devices, links, arrivals and policies.")],
    out: Annotated[FilePath | None, typer.Option(help="Write a report with charts to this HTML file.")] = None,
    as_json: Json = False,
) -> None:
    """Compare scheduling policies on the same simulated requests; nothing is started."""
    from cluster.simulation.run import Prepared
    from cluster.simulation.scenario import load_scenario
    from cluster.simulation.summary import summarise
    from policies.errors import ConfigurationError

    if out is not None and not out.absolute().parent.is_dir():
        raise ConfigurationError(f"--out: there is no folder {out.absolute().parent}; make it first.")
    prepared = Prepared.of(load_scenario(scenario))
    results = run(prepared)
    summaries = summarise(prepared.scenario, results)
    if out is not None:
        from cluster.simulation.report import report

        out.write_text(report(scenario.name, prepared, results, summaries), encoding="utf-8")
    if as_json:
        print_json({"scenario": str(scenario), "rate_per_s": prepared.rate_per_s, "policies": [s.as_json() for s in summaries]})
    else:
        _print(summaries, out)


def run(prepared: Prepared) -> list[RunResult]:
    """All runs, with a progress bar on the standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    runs = list(prepared.runs())
    columns = (TextColumn("{task.description:>30}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    results = []
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(runs))
        for done, (policy, seed) in enumerate(runs):
            progress.update(task, description=f"{policy}, seed {seed}")
            results.append(prepared.run(policy, seed, lambda share, done=done: progress.update(task, completed=done + share)))  # type: ignore[misc]
            progress.update(task, completed=done + 1)
    return results


def _print(summaries: Sequence[PolicySummary], out: FilePath | None) -> None:
    from rich.console import Console

    from cluster.cli.grid import Grid
    from cluster.simulation.summary import broken_by

    head = ("policy", "served in time /s", "attainment", "J per served", "p95 s", "refused", "regret")
    console = Console(highlight=False)
    console.print(Grid(head, [_row(s) for s in summaries]))
    console.print(broken_by(summaries))
    if out is not None:
        console.print(f"report: {out}", markup=False)


def _row(s: PolicySummary) -> tuple[str, ...]:
    return (
        s.policy,
        str(s.served_per_s),
        str(s.attainment),
        str(s.joules_per_served),
        f"{s.p95_s:.2f}",
        f"{s.refused:.1%}",
        "" if s.regret_per_request is None else f"{s.regret_per_request:.4f}",
    )
