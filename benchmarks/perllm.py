"""What CS-UCB brings over other ways to choose a server, on five simulated edge sites and a cloud.

    python -m benchmarks.perllm [--data ../shared/data] [--seeds 10] [--load 1.5 ...] [--case steady ...] [--out docs/results.md]
        [--json]

Cases: `steady` and `traced` bandwidth (traces of moving receivers, scaled to the same means) with clients that leave at their
limit and bounded queues; `patient` is PerLLM's own setting, as far as it is known: clients wait for ever, and queues have no
bound to speak of. The same devices, links, requests and engine for all policies.

The bound is that of a linear programme that knows every request: each may be split over the servers, each of which has its
replicas' seconds from the first arrival to the last limit and needs, for a request, what it would in a full batch. No policy can
answer more. It is the mean over the seeds, as all other figures are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from benchmarks.command import run
from benchmarks.page import table, write_section
from benchmarks.panels import Panel, Style, picture
from benchmarks.scenarios import scenario
from cluster.cli.grid import Grid
from cluster.simulation.result import RunResult
from cluster.simulation.run import Prepared
from cluster.simulation.scenario import Scenario
from cluster.simulation.summary import Interval, PolicySummary, broken_by, summarise

BASELINES = (
    *("nearest_edge", "cloud_only", "random", "round_robin", "least_outstanding", "two_choices"),
    *("earliest_finish", "ucb1", "thompson"),
)
OTHERS = ("earliest_finish_admission", "cs_ucb_best_effort", "cs_ucb_sliding", "cs_ucb_plain", "clairvoyant")
CASES, LOADS = ("steady", "traced", "patient"), (0.5, 1.0, 1.5)
UNBOUNDED = 100_000
PICTURE = "perllm.svg"
COLOURS = {
    "cloud_only": "#c9ced6",
    "nearest_edge": "#9aa0a6",
    "least_outstanding": "#8e5bd0",
    "ucb1": "#2f6fde",
    "earliest_finish": "#d9822b",
    "clairvoyant": "#333333",
    "cs_ucb": "#0b7a5e",
}


DATA = Path(os.environ.get("ISTHMUS_DATA", "../shared/data"))


def case(name: str, data: Path, load: float, seeds: int) -> Scenario:
    """The scenario of one row of the table."""
    base = scenario("perllm", data)
    changes: dict[str, Any] = {
        "arrivals": base.arrivals.model_copy(update={"load": load}),
        "seeds": tuple(range(seeds)),
        "policies": ("cs_ucb", *BASELINES, *OTHERS),
    }
    if name == "traced":
        link = {"trace": data / "network/norway_3g/cooked_traces"}
        changes["sites"] = tuple(s.model_copy(update={"link": s.link.model_copy(update=link)}) for s in base.sites)
    if name == "patient":
        changes["patience"] = "forever"
        changes["devices"] = {name: device.model_copy(update={"queue": UNBOUNDED}) for name, device in base.devices.items()}
    return base.model_copy(update=changes)


def bound_per_s(prepared: Prepared, seed: int) -> float:
    """Requests per second that no policy can pass, among those of the window that are alone fast enough somewhere."""
    work, (low, high) = prepared.workload(seed), (prepared.scenario.warmup_s, prepared.scenario.duration_s)
    counted = (work.times_s >= low) & (work.times_s < high)
    prompt, tokens, limit = work.prompt_tokens[counted], work.tokens[counted], work.limit_s[counted]
    rows, columns, costs, capacity = [], [], [], []
    n = len(prompt)
    for i, p in enumerate(prepared.blueprint.profiles):
        alone = p.near_s + prompt / p.prefill_tokens_per_s + tokens * (p.step_s + p.step_per_sequence_s)
        can = np.flatnonzero(alone <= limit)
        rows.append(np.full(len(can), i))
        columns.append(can)
        costs.append(prompt[can] / p.prefill_tokens_per_s + tokens[can] * (p.step_s / p.slots + p.step_per_sequence_s))
        capacity.append(p.replicas * (high - low + limit.max()))
    server, request, cost = np.concatenate(rows), np.concatenate(columns), np.concatenate(costs)
    variables = np.arange(len(request))
    seconds = coo_matrix((cost, (server, variables)), shape=(len(capacity), len(request)))
    once = coo_matrix((np.ones(len(request)), (request, variables)), shape=(n, len(request)))
    matrix = coo_matrix(
        (
            np.concatenate([seconds.data, once.data]),
            (np.concatenate([seconds.row, once.row + len(capacity)]), np.concatenate([seconds.col, once.col])),
        ),
        shape=(len(capacity) + n, len(request)),
    )
    solved = linprog(-np.ones(len(request)), A_ub=matrix.tocsr(), b_ub=np.concatenate([capacity, np.ones(n)]), method="highs")
    return float(-solved.fun / (high - low))


def ratios(summaries: Sequence[PolicySummary], bound: float) -> dict[str, float | None]:
    """CS-UCB against the others; None where the cloud alone served nothing to compare with."""
    of = {s.policy: s for s in summaries}
    ours, served = of["cs_ucb"], [of[name].served_per_s.mean for name in BASELINES]
    cloud_j = of["cloud_only"].joules_per_served.mean
    return {
        "over_best_baseline": ours.served_per_s.mean / max(served),
        "over_median_baseline": ours.served_per_s.mean / median(served),
        "over_clairvoyant": ours.served_per_s.mean / of["clairvoyant"].served_per_s.mean,
        "share_of_bound": ours.served_per_s.mean / bound,
        "best_baseline_share_of_bound": max(served) / bound,
        "median_baseline_share_of_bound": median(served) / bound,
        "joules_over_cloud_only": ours.joules_per_served.mean / cloud_j if np.isfinite(cloud_j) else None,
        "attainment_less_cloud_only": ours.attainment.mean - of["cloud_only"].attainment.mean,
    }


def main(
    data: Annotated[Path, typer.Option(help="Traces and devices.")] = DATA,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each policy.")] = 10,
    load: Annotated[list[float] | None, typer.Option(help="Times the nominal capacity; 0.5, 1 and 1.5 when not given.")] = None,
    case_: Annotated[list[str] | None, typer.Option("--case", help="steady, traced, patient; all when not given.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """The table of PerLLM, simulated."""
    rows = []
    cases = [(name, one) for name in case_ or CASES for one in load or LOADS]
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(cases) * seeds * (1 + len(BASELINES) + len(OTHERS)))
        for name, one in cases:
            prepared = Prepared.of(case(name, data, one, seeds))
            results: list[RunResult] = []
            for policy, seed in prepared.runs():
                progress.update(task, description=f"{name} {one:g}: {policy}")
                results.append(prepared.run(policy, seed))
                progress.advance(task)
            summaries = summarise(prepared.scenario, results)
            bound = float(np.mean([bound_per_s(prepared, seed) for seed in range(seeds)]))
            rows.append(
                {
                    "case": name,
                    "load": one,
                    "rate_per_s": prepared.rate_per_s,
                    "bound_per_s": bound,
                    "ratios": ratios(summaries, bound),
                    "policies": [s.as_json() for s in summaries],
                }
            )
            if not as_json:
                _print(name, one, summaries, bound)
    if out is not None:
        write(out, rows, seeds)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))


def write(page: Path, rows: Sequence[Mapping[str, Any]], seeds: int) -> None:
    """Put the tables into their section of `page`, and the picture beside it."""
    write_section(page, "perllm", _markdown(rows, seeds))
    cases = [name for name in CASES if len([row for row in rows if row["case"] == name]) > 1]
    panels = []
    for name in cases:
        here = sorted((row for row in rows if row["case"] == name), key=lambda row: float(row["load"]))
        shares = [_shares(row) for row in here]
        panels.append(Panel(name, [row["load"] for row in here], {p: [share[p] for share in shares] for p in COLOURS}))
    if panels:
        style = Style(COLOURS, "load, times the nominal capacity", "served in time, share of the bound", top=1.0)
        page.with_name(PICTURE).write_text(picture(panels, style), encoding="utf-8")


def _markdown(rows: Sequence[Mapping[str, Any]], seeds: int) -> str:
    lines = [
        "## The choice of a server: PerLLM's setting, simulated",
        "",
        f"`python -m benchmarks.perllm --out docs/results.md`: five edge sites and a cloud, {seeds} seeds; ± is half a 95 % "
        "interval over the seeds.",
        "steady, traced: bandwidth constant, or by traces of moving receivers; clients leave at their limit, queues are bounded. "
        "patient: clients wait for ever, queues without bound.",
        "The bound is that of a linear programme which knows every request beforehand; no policy can serve more in time.",
        "",
        "CS-UCB over the others. Best, median: of the requests served in time per second by the nine baselines.",
        "",
    ]
    head = (
        *("case", "load", "arrivals/s", "bound/s", "cs_ucb in time/s", "over best", "over median", "over clairvoyant"),
        *("joules over cloud_only", "attainment less cloud_only", "C2-C4 broken"),
    )
    cells = []
    for row in rows:
        of, ratio = {policy["policy"]: policy for policy in row["policies"]}, row["ratios"]
        ours = of["cs_ucb"]
        times = (f"{ratio[name]:.2f}" for name in ("over_best_baseline", "over_median_baseline", "over_clairvoyant"))
        joules = ratio["joules_over_cloud_only"]
        cells.append(
            (
                *(row["case"], f"{row['load']:g}", f"{row['rate_per_s']:.1f}", f"{row['bound_per_s']:.1f}"),
                *(_interval(ours["served_per_s"]), *times, "it served none" if joules is None else f"{joules:.2f}"),
                *(f"{ratio['attainment_less_cloud_only']:+.2f}", ours["broken"]),
            )
        )
    lines += [*table(head, cells), "", f"![Share of the bound by load and case]({PICTURE})", ""]
    lines += ["Share of the bound that each policy serves in time:", ""]
    policies = [policy["policy"] for policy in rows[0]["policies"]]
    shares = [_shares(row) for row in rows]
    columns = [f"{row['case']} {row['load']:g}" for row in rows]
    lines += table(("policy", *columns), [(p, *(f"{share[p]:.2f}" for share in shares)) for p in policies])
    for row in rows:
        if row["load"] == max(r["load"] for r in rows):
            lines += ["", f"{row['case']}, load {row['load']:g}:", "", *_policies(row)]
    return "\n".join(lines)


def _policies(row: Mapping[str, Any]) -> list[str]:
    shares = _shares(row)
    head = ("policy", "in time/s", "of the bound", "attainment", "joules per served", "refused", "regret", "C2-C4 broken")
    cells = [
        (
            *(p["policy"], _interval(p["served_per_s"]), f"{shares[p['policy']]:.2f}", _interval(p["attainment"])),
            *(_interval(p["joules_per_served"]), f"{p['refused']:.0%}", f"{p['regret_per_request']:+.3f}", p["broken"]),
        )
        for p in row["policies"]
    ]
    return table(head, cells)


def _shares(row: Mapping[str, Any]) -> dict[str, float]:
    return {policy["policy"]: policy["served_per_s"]["mean"] / row["bound_per_s"] for policy in row["policies"]}


def _interval(value: Mapping[str, float | None]) -> str:
    mean, half = value["mean"], value["half_width"]
    return "none served" if mean is None else str(Interval(mean, half))


def _print(name: str, load: float, summaries: Sequence[PolicySummary], bound: float) -> None:
    rows = []
    for s in summaries:
        share = f"{s.served_per_s.mean / bound:.2f}"
        numbers = (str(s.served_per_s), share, str(s.attainment), str(s.joules_per_served), f"{s.refused:.0%}")
        rows.append((s.policy, *numbers, f"{s.regret_per_request or 0:.3f}"))
    head = ("policy", "in time /s", "of bound", "attainment", "J per served", "refused", "regret")
    console = Console(highlight=False)
    console.print(Grid(head, rows, title=f"{name}, {load:g} x capacity; bound {bound:.1f}/s"))
    console.print(broken_by(summaries))
    over = Table("cs_ucb", "", title="beside the others")
    for key, value in ratios(summaries, bound).items():
        over.add_row(key.replace("_", " "), "none served" if value is None else f"{value:.3f}")
    console.print(over)


if __name__ == "__main__":
    run(main)
