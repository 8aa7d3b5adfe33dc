"""Production arrivals against a real local cluster: three edge sites and an elastic cloud, failures included.

    python -m benchmarks.live [--data ../shared/data] [--seconds 240] [--rate 3] [--out docs/results.md] [--json]

A cluster is started with `isthmus up`'s own code: a small model at three edge sites and a large one in the cloud, which sleeps
until somebody needs it, with an emulated link between. The engines are echoes with a speed, so that sites do not slow each other
down on one machine's processors; everything else is real. A profile says that the small model answers one kind of question and
the large one the other. Arrivals and lengths come from the trace, with its gaps, at the given mean rate and with shorter texts;
each request has a limit between two and six seconds.

A limit is feasible if the small model alone could have kept it on an idle site, by its speed and what the way there and back took
for the first requests. At 40 % of the time one site's replica is killed, at 60 % the orchestrator. At the end nobody asks until
the cloud has gone to sleep again.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import page
from benchmarks.command import run
from benchmarks.panels import Panel, Style, picture
from benchmarks.replay import TARGET, Replay, replay, requests_of
from benchmarks.three_sites import cluster
from cluster.simulation.workload import read_requests

DATA = Path(os.environ.get("ISTHMUS_DATA", "../shared/data"))
PICTURE = "live.svg"


def draw(found: Replay) -> str:
    """Answers in time and replicas of the cloud over the replay."""
    end = max(at for at, _, _ in found.replicas)
    step = max(5.0, end / 40)
    x = [step * (i + 0.5) for i in range(int(end / step) + 1)]
    arrivals, kept, cloud = [], [], []
    for middle in x:
        here = [t for t in found.told if abs(t.asked.at_s - middle) <= step / 2]
        feasible = [t for t in here if t.feasible]
        arrivals.append(len(here) / step)
        kept.append(sum(t.met for t in feasible) / len(feasible) if feasible else 1.0)
        cloud.append(float(np.mean([count for at, count, _ in found.replicas if abs(at - middle) <= step] or [0.0])))
    top = max(max(arrivals), max(cloud), 1.0)
    panels = [
        Panel("feasible limits", x, {"share kept": kept}),
        Panel("arrivals and the cloud's replicas", x, {"arrivals/s": arrivals, "cloud replicas": cloud}, top),
    ]
    colours = {"arrivals/s": "#9aa0a6", "cloud replicas": "#2f6fde", "share kept": "#0b7a5e"}
    return picture(panels, Style(colours, "seconds", "", 1.0, level=TARGET))


def _markdown(found: Replay, seconds: float, rate: float) -> str:
    s = found.summary()
    replicas = s["cloud_replicas"]
    rows = [
        ("requests, answered", f"{s['requests']}, {s['answered']}"),
        ("of the others had a limit that is not feasible", s["too_late"]),
        ("failed with a feasible one, by status", s["failed"] or "none"),
        ("feasible limits kept", f"{s['attainment']:.1%} of {s['feasible']}"),
        ("latency, p50 and p95", f"{s['p50_s']:.2f} s and {s['p95_s']:.2f} s"),
        ("questions for the large model that it answered", f"{s['hard_by_large']:.0%}"),
        ("answers by site", ", ".join(f"{site} {count}" for site, count in sorted(s["sites"].items()))),
        ("cloud replicas", f"{replicas['first']} → {replicas['most']} → {replicas['last']}"),
        (
            "outcomes known when the orchestrator was killed, and at the end",
            f"{s['outcomes_before_kill']}, {s['outcomes_at_the_end']}",
        ),
    ]
    return "\n".join(
        (
            "## A replayed trace on a real local cluster",
            "",
            f"`python -m benchmarks.live --out docs/results.md`: {seconds:g} s at a mean of {rate:g} requests/s, three edge",
            "sites and an elastic cloud with echo engines, an emulated link of 40 ms and 100 Mbit/s. One site's replica was",
            "killed at 40 % of the time, the orchestrator at 60 %.",
            "",
            *page.table(("", ""), rows),
            "",
            f"![Arrivals, replicas of the cloud and the share of feasible limits kept]({PICTURE})",
        )
    )


def main(
    data: Annotated[Path, typer.Option(help="Folder with traces/azure_conv_2023.csv.")] = DATA,
    seconds: Annotated[float, typer.Option(min=20, help="Length of the replay.")] = 240.0,
    rate: Annotated[float, typer.Option(min=0.1, help="Mean arrivals a second.")] = 3.0,
    seed: Annotated[int, typer.Option(help="Of limits and kinds of questions.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Replay. Exit code 1 when a target was missed."""
    console = Console(stderr=True)
    asked = requests_of(read_requests(data / "traces/azure_conv_2023.csv"), seconds, rate, np.random.default_rng(seed))
    words = [request.words for request in asked]
    with TemporaryDirectory() as folder, Progress(console=console) as progress, cluster(Path(folder), words, console) as system:
        found = asyncio.run(replay(*system, asked, seconds, progress))
    if out is not None:
        page.write_section(out, "live", _markdown(found, seconds, rate))
        (out.parent / PICTURE).write_text(draw(found), encoding="utf-8")
    if as_json:
        print(json.dumps(found.summary()))
    else:
        table = Table("figure", "value")
        for name, value in found.summary().items():
            table.add_row(name, f"{value:.3f}" if isinstance(value, float) else str(value))
        Console().print(table)
    if not found.good:
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
