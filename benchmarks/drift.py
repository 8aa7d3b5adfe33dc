"""How fast each policy finds its way again after the cluster has changed.

    python -m benchmarks.drift [--data ../shared/data] [--seeds 20] [--out docs/results.md] [--json]

Half-way through, the best edge's link loses 80 % of its bandwidth, or that edge becomes three times slower, or a new server
joins. Regret is the clairvoyant's value less the policy's on the same requests (an answer in time is worth 1, less up to half
for its energy), averaged over seeds and over `WINDOW` consecutive requests; a policy is back from the first request
after the change from which on this mean stays within 10 % of the clairvoyant's value for the `STAYS` requests that follow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.command import run
from benchmarks.page import table, write_section
from benchmarks.panels import Panel, Style, picture
from benchmarks.scenarios import scenario
from cluster.cli.grid import Grid
from cluster.simulation.result import RunResult
from cluster.simulation.run import Prepared
from cluster.simulation.scenario import Happening
from cluster.simulation.summary import CLAIRVOYANT

CHANGES = {
    "link loses 80 %": Happening(at_s=150, site="edge-1", kind="link", factor=0.2),
    "3 x slower": Happening(at_s=150, site="edge-1", kind="slow", factor=3.0),
    "server joins": Happening(at_s=150, site="edge-1", kind="join"),
}
POLICIES = ("cs_ucb", "cs_ucb_sliding", "cs_ucb_plain", "ucb1", "thompson", "earliest_finish", CLAIRVOYANT)
BEFORE, AFTER = 100, 500
WINDOW, STAYS = 25, 200
TOLERANCE = 0.1
PICTURE = "drift.svg"
COLOURS = {"thompson": "#9aa0a6", "earliest_finish": "#d9822b", "ucb1": "#2f6fde", "cs_ucb_plain": "#8e5bd0", "cs_ucb": "#0b7a5e"}


DATA = Path(os.environ.get("ISTHMUS_DATA", "../shared/data"))


def values(results: Sequence[RunResult], at_s: float) -> np.ndarray:
    """Value of the requests around the change, mean over seeds; index BEFORE is the first request after it."""
    rows = []
    for result in results:
        change = int(np.searchsorted(result.arrived_s, at_s))
        rows.append(result.value[change - BEFORE : change + AFTER])
    return np.asarray(np.mean(rows, axis=0))


def share(regret: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Regret over the clairvoyant's value, both averaged over the WINDOW requests from each one on."""
    kernel = np.ones(WINDOW) / WINDOW
    return np.asarray(np.convolve(regret, kernel, "valid") / np.convolve(best, kernel, "valid"))


def back_after(regret: np.ndarray, best: np.ndarray) -> int | None:
    """Requests after the change until the regret is small for good; None when it never is."""
    small = share(regret[BEFORE:], best[BEFORE:]) <= TOLERANCE
    return next((i for i in range(len(small) - STAYS) if small[i : i + STAYS].all()), None)


def main(
    data: Annotated[Path, typer.Option(help="Traces and devices.")] = DATA,
    seeds: Annotated[int, typer.Option(min=2, help="Runs of each policy.")] = 20,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Requests until the regret is within 10 % of the clairvoyant again."""
    rows: list[dict[str, Any]] = []
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(CHANGES) * len(POLICIES) * seeds)
        for name, change in CHANGES.items():
            base = scenario("drift", data).model_copy(update={"happenings": (change,)})
            prepared = Prepared.of(base)
            value = {}
            for policy in POLICIES:
                results = []
                for seed in range(seeds):
                    progress.update(task, description=f"{name}: {policy}")
                    results.append(prepared.run(policy, seed))
                    progress.advance(task)
                value[policy] = values(results, change.at_s)
            best = value[CLAIRVOYANT]
            for policy in POLICIES[:-1]:
                regret = best - value[policy]
                rows.append(
                    {
                        "change": name,
                        "policy": policy,
                        "back_after_requests": back_after(regret, best),
                        "regret_first_150": float(regret[BEFORE : BEFORE + 150].mean()),
                        "regret_150_to_500": float(regret[BEFORE + 150 :].mean()),
                        "clairvoyant_150_to_500": float(best[BEFORE + 150 :].mean()),
                        "regret_share": [round(float(x), 4) for x in share(regret, best)],
                    }
                )
    if out is not None:
        write(out, rows, seeds)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    Console().print(Grid(_HEAD, [_cells(row) for row in rows]))


def write(page: Path, rows: Sequence[Mapping[str, Any]], seeds: int) -> None:
    """Put the table into its section of `page`, and the picture beside it."""
    lines = [
        "## After the cluster has changed",
        "",
        f"`python -m benchmarks.drift --out docs/results.md`: means over {seeds} seeds. Back: the regret of {WINDOW} requests "
        f"in a row is within {TOLERANCE:.0%}",
        f"of the clairvoyant's value for the next {STAYS}. Regret per request; an answer in time is worth 1, less up to half for "
        "its energy.",
        "",
        *table(_HEAD, map(_cells, rows)),
        "",
        f"![Regret around the change]({PICTURE})",
    ]
    write_section(page, "drift", "\n".join(lines))
    of = {(row["change"], row["policy"]): row["regret_share"] for row in rows}
    panels = []
    for change in dict.fromkeys(row["change"] for row in rows):
        lines_ = {policy: of[change, policy] for policy in COLOURS}
        requests = list(range(-BEFORE, len(lines_["cs_ucb"]) - BEFORE))
        panels.append(Panel(change, requests, lines_))
    style = Style(COLOURS, "requests after the change", "regret / clairvoyant", 0.7, bottom=-0.1, level=TOLERANCE)
    page.with_name(PICTURE).write_text(picture(panels, style), encoding="utf-8")


_HEAD = ("change", "policy", "back after requests", "regret, first 150", "regret, 150-500", "clairvoyant's value")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    back = row["back_after_requests"]
    numbers = (f"{row[key]:.3f}" for key in ("regret_first_150", "regret_150_to_500", "clairvoyant_150_to_500"))
    return (row["change"], row["policy"], "never" if back is None else str(back), *numbers)


if __name__ == "__main__":
    run(main)
