"""How long a simulated day of 1,000 sites takes, and whether the time grows linearly with the requests.

    python -m benchmarks.day [--data ../shared/data] [--requests 10000 --requests 100000 --requests 1000000] [--json]

The rate is that of a million requests a day; fewer requests are a shorter day. Seconds are those of the process on its core.
"""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.scenarios import scenario
from cluster.simulation.run import Prepared

DAY_S = 86_400.0
MILLION = 1_000_000


DATA = Path(os.environ.get("ISTHMUS_DATA", "../shared/data"))


def main(
    data: Annotated[Path, typer.Option(help="Traces and devices.")] = DATA,
    requests: Annotated[list[int] | None, typer.Option(min=1, help="10,000, 100,000 and 1,000,000 when not given.")] = None,
    policy: Annotated[str, typer.Option(help="The policy.")] = "cs_ucb",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Core seconds per simulated day."""
    base, rows = scenario("day", data), []
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
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("requests", "simulated h", "core s", "core us per request", "peak MiB", "attainment")
    for row in rows:
        hours, seconds = f"{row['simulated_s'] / 3600:.2f}", f"{row['core_s']:.1f}"
        table.add_row(
            f"{row['requests']:,}",
            hours,
            seconds,
            f"{row['core_us_per_request']:.0f}",
            f"{row['peak_mib']:.0f}",
            f"{row['attainment']:.3f}",
        )
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
