"""What a request costs on its way to a model: our gateway, a bare Ray Serve ingress with one handle hop, and LiteLLM.

    python -m benchmarks.gateway [--rounds 5] [--seconds 8] [--clients 8] [--litellm DIR] [--json] [--out docs/results.md]

All three have the same fake engine behind them. Rounds are interleaved (A B C A B C ...), so that a neighbour's load on the
machine meets all of them; medians over the rounds are shown. CPU-seconds are those of all processes of a system (Ray, HAProxy,
gateway and engine; the proxy and its engine), without the client's. The target: at most 1.5 times the bare ingress's
CPU-seconds, and at least 4 times LiteLLM's requests per second.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import page
from benchmarks.command import run
from benchmarks.load import drive
from benchmarks.systems import System, litellm, ray_systems

SYSTEMS = ("isthmus", "bare", "litellm")
MODES = {"whole": "echo", "stream": "words"}
"""How the answer is asked for, and of which engine."""
LITELLM_ENVIRONMENT = Path.home() / ".cache" / "isthmus" / "litellm"
MAX_CPU_RATIO = 1.5
MIN_RATE_RATIO = 4.0
PICTURE = "gateway.svg"


@dataclass(frozen=True, slots=True)
class Round:
    """One system's measurement in one mode, or the median of several."""

    system: str
    mode: str
    cpu_s_per_1000: float
    requests_per_s: float
    p50_ms: float
    p95_ms: float
    wrong: int


def measure(system: System, mode: str, clients: int, seconds: float) -> Round:
    """One round. Raises SystemExit when nothing was answered."""
    model = "auto" if (system.name, mode) == ("isthmus", "whole") else MODES[mode]
    before = system.cpu_s()
    load = asyncio.run(drive(system.url, model, clients, seconds, stream=mode == "stream"))
    cpu_s = system.cpu_s() - before
    if not load.answered:
        raise SystemExit(f"{system.name} answered nothing in {seconds:g} s ({load.wrong} wrong answers)")
    return Round(
        system.name,
        mode,
        1000 * cpu_s / load.answered,
        load.answered / load.seconds,
        1000 * load.percentile_s(0.5),
        1000 * load.percentile_s(0.95),
        load.wrong,
    )


def medians(rounds: Sequence[Round]) -> list[Round]:
    """One row for each system and mode; wrong answers are added up."""
    groups: dict[tuple[str, str], list[Round]] = {}
    for r in rounds:
        groups.setdefault((r.system, r.mode), []).append(r)
    return [
        Round(
            system,
            mode,
            median(r.cpu_s_per_1000 for r in group),
            median(r.requests_per_s for r in group),
            median(r.p50_ms for r in group),
            median(r.p95_ms for r in group),
            sum(r.wrong for r in group),
        )
        for (system, mode), group in groups.items()
    ]


def ratios(rows: Sequence[Round]) -> dict[str, float]:
    """The two numbers that the targets are about, for whole answers; only those whose system took part."""
    rows_by_name = {row.system: row for row in rows if row.mode == "whole"}
    found: dict[str, float] = {}
    if "isthmus" not in rows_by_name:
        return found
    ours = rows_by_name["isthmus"]
    if "bare" in rows_by_name:
        found["cpu_to_bare"] = ours.cpu_s_per_1000 / rows_by_name["bare"].cpu_s_per_1000
    if "litellm" in rows_by_name:
        found["rate_to_litellm"] = ours.requests_per_s / rows_by_name["litellm"].requests_per_s
    return found


def table(rows: Sequence[Round]) -> Table:
    """The medians for people."""
    shown = Table(title="The way to a model, medians")
    for column in ("system", "mode", "CPU-s per 1,000", "requests/s", "p50 ms", "p95 ms", "wrong"):
        shown.add_column(column, justify="left" if column in ("system", "mode") else "right")
    for row in sorted(rows, key=lambda row: (row.mode != "whole", row.cpu_s_per_1000)):
        numbers = (f"{row.cpu_s_per_1000:.1f}", f"{row.requests_per_s:.0f}", f"{row.p50_ms:.0f}", f"{row.p95_ms:.0f}")
        shown.add_row(row.system, row.mode, *numbers, str(row.wrong))
    return shown


def _markdown(rows: Sequence[Round], compared: Mapping[str, float]) -> str:
    shown = [
        (r.system, r.mode, f"{r.cpu_s_per_1000:.1f}", f"{r.requests_per_s:.0f}", f"{r.p50_ms:.0f}", f"{r.p95_ms:.0f}", r.wrong)
        for r in rows
    ]
    head = ("system", "mode", "CPU-s per 1,000", "requests/s", "p50 ms", "p95 ms", "wrong")
    return "\n".join(
        (
            "## What the way to a model costs",
            "",
            "`python -m benchmarks.gateway --out docs/results.md`: our gateway, a bare Ray Serve ingress with one handle hop and",
            "the LiteLLM proxy, the same fake engine behind each; medians of interleaved rounds.",
            "",
            *page.table(head, shown),
            "",
            f"Whole answers: CPU {compared.get('cpu_to_bare', math.nan):.2f} times the bare ingress's,"
            f" requests/s {compared.get('rate_to_litellm', math.nan):.2f} times LiteLLM's.",
            "",
            f"![CPU-seconds per 1,000 requests]({PICTURE})",
        )
    )


def draw(rows: Sequence[Round], file: Path) -> None:
    """Bars of the CPU-seconds as an SVG picture."""
    bars = sorted(rows, key=lambda row: (row.mode != "whole", row.cpu_s_per_1000))
    widest = max(row.cpu_s_per_1000 for row in bars)
    height = 30 * len(bars) + 40
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{height}" font-family="sans-serif" font-size="13">']
    lines.append('<text x="10" y="20">CPU-seconds per 1,000 requests (less is better)</text>')
    for index, row in enumerate(bars):
        y, width = 34 + 30 * index, 400 * row.cpu_s_per_1000 / widest
        colour = "#2a7f62" if row.system == "isthmus" else "#9aa5b1"
        lines.append(f'<text x="10" y="{y + 15}">{row.system}, {row.mode}</text>')
        lines.append(f'<rect x="140" y="{y}" width="{width:.0f}" height="20" fill="{colour}"/>')
        lines.append(f'<text x="{146 + width:.0f}" y="{y + 15}">{row.cpu_s_per_1000:.1f}</text>')
    file.write_text("\n".join([*lines, "</svg>", ""]))


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each system.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, help="Length of a round.")] = 8.0,
    clients: Annotated[int, typer.Option(min=1, help="Clients that ask at once.")] = 8,
    systems: Annotated[str, typer.Option(help="Which to compare, comma-separated.")] = ",".join(SYSTEMS),
    modes: Annotated[str, typer.Option(help="whole, stream, or both.")] = ",".join(MODES),
    environment: Annotated[
        Path, typer.Option("--litellm", help="Virtual environment of the LiteLLM proxy; created when missing.")
    ] = LITELLM_ENVIRONMENT,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page, and the picture beside it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure and compare. Exit code 1 when a target is missed or an answer was wrong."""
    console = Console(stderr=True)
    names, asked = _chosen(systems, SYSTEMS), _chosen(modes, MODES)
    found: list[Round] = []
    with TemporaryDirectory() as temporary, ExitStack() as stack, Progress(console=console) as progress:
        folder = Path(temporary)
        step = progress.add_task("starting", total=rounds * len(names) * len(asked))
        running = stack.enter_context(ray_systems(folder, names))
        if "litellm" in names:
            running.append(stack.enter_context(litellm(folder, environment)))
        for system in running:
            for mode in asked:
                measure(system, mode, clients, 2.0)  # what starts lazily has started then
        for _ in range(rounds):
            for mode in asked:
                for system in running:
                    progress.update(step, description=f"{system.name}, {mode}")
                    found.append(measure(system, mode, clients, seconds))
                    progress.advance(step)
    rows = medians(found)
    compared = ratios(rows)
    if as_json:
        print(json.dumps({"medians": [asdict(r) for r in rows], "ratios": compared, "rounds": [asdict(r) for r in found]}))
    else:
        Console().print(table(rows), *(f"{name}: {value:.2f}" for name, value in compared.items()))
    if out is not None:
        page.write_section(out, "gateway", _markdown(rows, compared))
        draw(rows, out.with_name(PICTURE))
    reached = compared.get("cpu_to_bare", 0.0) <= MAX_CPU_RATIO and compared.get("rate_to_litellm", 99.0) >= MIN_RATE_RATIO
    raise typer.Exit(0 if reached and not any(row.wrong for row in rows) else 1)


def _chosen(words: str, known: Iterable[str]) -> list[str]:
    names = words.split(",")
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(known)}.")
    return names


if __name__ == "__main__":
    run(main)
