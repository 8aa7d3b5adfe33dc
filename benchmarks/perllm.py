"""What CS-UCB brings over other ways to choose a server, on five simulated edge sites and a cloud.

    python -m benchmarks.perllm [--data ../shared/data] [--seeds 10] [--load 1.5 ...] [--case steady ...] [--json]

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
from collections.abc import Sequence
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

from benchmarks.scenarios import scenario
from cluster.simulation.result import RunResult
from cluster.simulation.run import Prepared
from cluster.simulation.scenario import Scenario
from cluster.simulation.summary import PolicySummary, summarise

BASELINES = (
    *("nearest_edge", "cloud_only", "random", "round_robin", "least_outstanding", "two_choices"),
    *("earliest_finish", "ucb1", "thompson"),
)
OTHERS = ("earliest_finish_admission", "cs_ucb_sliding", "cs_ucb_plain", "clairvoyant")
UNBOUNDED = 100_000


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
        "joules_over_cloud_only": ours.joules_per_served.mean / cloud_j if np.isfinite(cloud_j) else None,
        "attainment_less_cloud_only": ours.attainment.mean - of["cloud_only"].attainment.mean,
    }


def main(
    data: Annotated[Path, typer.Option(help="Traces and devices.")] = DATA,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each policy.")] = 10,
    load: Annotated[list[float] | None, typer.Option(help="Times the nominal capacity; 0.5, 1 and 1.5 when not given.")] = None,
    case_: Annotated[list[str] | None, typer.Option("--case", help="steady, traced, patient; all when not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """The table of PerLLM, simulated."""
    rows = []
    cases = [(name, one) for name in case_ or ("steady", "traced", "patient") for one in load or (0.5, 1.0, 1.5)]
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(cases) * seeds * (1 + len(BASELINES) + len(OTHERS)))
        for name, one in cases:
            prepared = Prepared.of(case(name, data, one, seeds))
            results: list[RunResult] = []
            for policy, seed in prepared.runs():
                progress.update(task, description=f"{name} {one:g}: {policy}")
                results.append(prepared.run(policy, seed))
                progress.advance(task)
            summaries, bound = (
                summarise(prepared.scenario, results),
                float(np.mean([bound_per_s(prepared, seed) for seed in range(seeds)])),
            )
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
    if as_json:
        typer.echo(json.dumps(rows, indent=2))


def _print(name: str, load: float, summaries: Sequence[PolicySummary], bound: float) -> None:
    table = Table("policy", "in time /s", "of bound", "attainment", "J per served", "refused", "regret", "C2-C4 broken")
    for s in summaries:
        share = f"{s.served_per_s.mean / bound:.2f}"
        numbers = (str(s.served_per_s), share, str(s.attainment), str(s.joules_per_served), f"{s.refused:.0%}")
        table.add_row(s.policy, *numbers, f"{s.regret_per_request or 0:.3f}", str(s.broken))
    table.title = f"{name}, {load:g} x capacity; bound {bound:.1f}/s"
    console = Console()
    console.print(table)
    console.print({key: value and round(value, 3) for key, value in ratios(summaries, bound).items()})


if __name__ == "__main__":
    typer.run(main)
