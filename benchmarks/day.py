"""How long a simulated day of 1,000 sites takes, and whether the time grows linearly with the requests.

    python -m benchmarks.day [--data ../shared/data] [--requests 10000 --requests 100000 --requests 1000000]
        [--out docs/results.md] [--json]

The rate is that of a million requests a day; fewer requests are a shorter day. Seconds are those of the process on its core.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.command import run
from benchmarks.page import table, write_section
from benchmarks.scenarios import scenario
from cluster.cli.grid import Grid
from cluster.simulation.run import Prepared

DAY_S = 86_400.0
MILLION = 1_000_000


DATA = Path(os.environ.get("ISTHMUS_DATA", "../shared/data"))


def main(
    data: Annotated[Path, typer.Option(help="Traces and devices.")] = DATA,
    requests: Annotated[list[int] | None, typer.Option(min=1, help="10,000, 100,000 and 1,000,000 when not given.")] = None,
    policy: Annotated[str, typer.Option(help="The policy.")] = "cs_ucb",
    out: Annotated[Path | None, typer.Option(help="Write the section of this page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Core seconds per simulated day."""
    base, rows = scenario("day", data), list[dict[str, Any]]()
    rate = MILLION / DAY_S
    with Progress(console=Console(stderr=True)) as progress:
        for number in requests or (10_000, 100_000, MILLION):
            plan = base.arrivals.model_copy(update={"rate_per_s": rate})
            task = progress.add_task(f"{number:,} requests", total=1.0)
            began = time.process_time()
            prepared = Prepared.of(base.model_copy(update={"duration_s": number / rate, "arrivals": plan}))
            result = prepared.run(policy, 0, lambda share, task=task: progress.update(task, completed=share))  # type: ignore[misc]
            seconds = time.process_time() - began
            rows.append(
                {
                    "requests": len(result.met),
                    "simulated_s": number / rate,
                    "core_s": seconds,
                    "core_us_per_request": 1e6 * seconds / len(result.met),
                    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                    "attainment": result.attainment,
                    "joules_per_served": result.joules_per_served,
                }
            )
    if out is not None:
        write(out, rows, policy)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    Console().print(Grid(_HEAD, [_cells(row) for row in rows]))


def write(page: Path, rows: Sequence[Mapping[str, Any]], policy: str) -> None:
    """Put the table into its section of `page`."""
    lines = [
        "## A simulated day",
        "",
        "`python -m benchmarks.day --out docs/results.md`: 1,000 edge sites and a cloud, a million requests a day, "
        f"{policy}, one core.",
        "",
        *table(_HEAD, map(_cells, rows)),
    ]
    write_section(page, "day", "\n".join(lines))


_HEAD = ("requests", "simulated h", "core s", "core us per request", "peak MiB", "attainment", "joules per served")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        *(f"{row['requests']:,}", f"{row['simulated_s'] / 3600:.2f}", f"{row['core_s']:.1f}"),
        *(f"{row['core_us_per_request']:.0f}", f"{row['peak_mib']:.0f}"),
        *(f"{row['attainment']:.3f}", f"{row['joules_per_served']:.3g}"),
    )


if __name__ == "__main__":
    run(main)
