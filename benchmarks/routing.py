"""The choice of a path on measurements of others, on questions not learnt from: `python -m benchmarks.routing [--json]`.

Each table of DATA/outcomes is split by question text, 7 to 3, with several seeds; `isthmus evaluate` scores every split. A large
one is split 9 to 1 as well: it shows what more questions to learn from are worth.
Vectors are kept in --cache, since embedding takes longer than everything else. `--out docs/results.md` writes the section
and draws the frontiers beside it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.command import run
from benchmarks.frontiers import COLOURS, Curve, curve, picture
from benchmarks.page import line, write_section
from cluster.encoder import open_encoder
from cluster.evaluate import evaluate
from cluster.profile import Table, read_table
from policies.forecast import Axis

LEARNT, MORE = 0.7, 0.9
PLAIN = ("zero_router", "knn", "kmeans", "ridge")
OBJECTIVES: dict[str, Axis] = {
    "smart_home": "latency_s",
    "nq_rag_energy": "energy_j",
    "routellm_mmlu": "cost_usd",
    "routellm_gsm8k": "cost_usd",
    "routerbench_mbpp": "cost_usd",
    "routerbench_arc_challenge": "cost_usd",
}


LARGE = 5000  # queries: a tenth of them still tell something
PICTURE = "frontiers.svg"


@dataclass(frozen=True, slots=True)
class Row:
    """Over the splits of one table, the share `learnt` of which is learnt from: means, `worst` the least accuracy gain, `least`
    the median share of the best single path's objective at its accuracy. Gains are over the best single path; `fair_share` and
    `fair_gain` are objective and accuracy at the price that was fixed in training; `won` is the share of splits with the highest
    aiq."""

    table: str
    objective: Axis
    learnt: float
    splits: int
    accuracy_gain: float
    worst: float
    least: float | None
    gain_at_equal_objective: float
    fair_share: float
    fair_gain: float
    won: float
    least_plain: dict[str, float | None]
    aiq: dict[str, float]
    curves: dict[str, Curve]

    @property
    def lead(self) -> float:
        """aiq over the best of the plain policies."""
        return self.aiq["isthmus"] - max(self.aiq[name] for name in PLAIN)


def score(name: str, table: Table, vectors: npt.NDArray[np.float64], learnt: float, seeds: Sequence[int]) -> Row:
    """Evaluate `table` on one split per seed."""
    results = [_split(table, vectors, OBJECTIVES[name], learnt, seed) for seed in seeds]
    best = np.array([result["best_single"]["accuracy"] for result in results])
    gains = _all(results, "isthmus", "accuracy") - best
    aiq = {policy: _all(results, policy, "aiq") for policy in results[0]}
    references = [(result["best_single"]["objective"], result["best_single"]["accuracy"]) for result in results]
    plain = np.max([aiq[policy] for policy in PLAIN], axis=0)
    return Row(
        table=name,
        objective=OBJECTIVES[name],
        learnt=learnt,
        splits=len(seeds),
        accuracy_gain=float(gains.mean()),
        worst=float(gains.min()),
        least=_least(results, "isthmus"),
        gain_at_equal_objective=float((_all(results, "isthmus", "accuracy_at_best_single_objective") - best).mean()),
        fair_share=float(_all(results, "isthmus_fair", "objective_ratio").mean()),
        fair_gain=float((_all(results, "isthmus_fair", "accuracy") - best).mean()),
        won=float((aiq["isthmus"] >= plain - 1e-12).mean()),
        least_plain={policy: _least(results, policy) for policy in (*PLAIN, "oracle")},
        aiq={policy: float(values.mean()) for policy, values in aiq.items()},
        curves={policy: curve([result[policy]["frontier"] for result in results], references) for policy in COLOURS},
    )


def _all(results: Sequence[dict[str, Any]], policy: str, key: str) -> npt.NDArray[np.float64]:
    return np.array([result[policy][key] for result in results], dtype=np.float64)


def _least(results: Sequence[dict[str, Any]], policy: str) -> float | None:
    shares = [result[policy]["objective_ratio_at_best_single_accuracy"] for result in results]
    median = float(np.median([np.inf if share is None else share for share in shares]))
    return median if np.isfinite(median) else None


def embed(name: str, table: Table, cache: Path) -> npt.NDArray[np.float64]:
    """Unit vectors of the questions, from `cache` where they are there."""
    file = cache / f"{name}.npy"
    if not file.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(file, open_encoder().encode(table.profile.queries))
    return np.asarray(np.load(file), dtype=np.float64)


def halves(table: Table, seed: int, share: float = LEARNT) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows to learn from and rows to score, so that no question is in both."""
    texts, of_query = np.unique(np.array(table.profile.queries), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(texts))
    learnt = np.isin(of_query, order[: int(share * len(texts))])
    return np.flatnonzero(learnt), np.flatnonzero(~learnt)


def _split(table: Table, vectors: npt.NDArray[np.float64], objective: Axis, learnt: float, seed: int) -> dict[str, Any]:
    train, test = halves(table, seed, learnt)
    result = evaluate(table.rows(train.tolist()), table.rows(test.tolist()), objective, vectors[train], vectors[test])
    policies: dict[str, Any] = result["policies"]
    return policies


def main(
    data: Annotated[Path, typer.Option(help="Folder with outcomes/.", envvar="ISTHMUS_DATA")] = Path("../shared/data"),
    cache: Annotated[Path, typer.Option(help="Folder for the vectors.")] = Path(".isthmus/vectors"),
    table: Annotated[list[str] | None, typer.Option(help="Only these tables.")] = None,
    seeds: Annotated[int, typer.Option(help="Splits of each table.")] = 12,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    rows = []
    names = table or list(OBJECTIVES)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for name in progress.track(names, description="tables"):
            measured = read_table(data / "outcomes" / name)
            vectors = embed(name, measured, cache)
            shares = (LEARNT, MORE) if len(measured.profile.queries) >= LARGE else (LEARNT,)
            rows += [score(name, measured, vectors, share, range(seeds)) for share in shares]
    if out is not None:
        write(out, rows)
    if as_json:
        print(json.dumps([{**asdict(row), "lead": row.lead} for row in rows], indent=2))
    else:
        print(_markdown(rows))


def write(page: Path, rows: Sequence[Row]) -> None:
    """Put the tables into their section of `page`, and the picture beside it."""
    write_section(page, "routing", _markdown(rows))
    drawn = picture({row.table: (row.objective, row.curves) for row in rows if row.learnt == LEARNT})
    page.with_name(PICTURE).write_text(drawn, encoding="utf-8")


def _markdown(rows: Sequence[Row]) -> str:
    shares = ("isthmus", *PLAIN, "oracle")
    lines = [
        "## The choice of a path on questions not learnt from",
        "",
        "`python -m benchmarks.routing --out docs/results.md`: split by question text; medians over the splits of the least",
        "share of the best single path's objective at which its accuracy is reached.",
        "",
        line("table", "learnt from", "objective", "splits", *shares),
        line(*["---"] * (4 + len(shares))),
    ]
    for row in rows:
        least = {"isthmus": row.least, **row.least_plain}
        lines.append(line(row.table, f"{row.learnt:.0%}", row.objective, row.splits, *(_share(least[name]) for name in shares)))
    lines += ["", f"![Frontiers of all policies on each table, means over the splits]({PICTURE})"]
    columns = (
        "at price 0, mean",
        "at price 0, worst",
        "at its objective",
        "at the fair price",
        "for a share of",
        *(f"aiq {name}" for name in shares),
        "lead",
        "splits led",
    )
    lines += [
        "",
        "Accuracy over the best single path's, and the mean height of the frontier (aiq); means over the splits. A frontier is",
        "the best of all points at which a policy can be run, as scored on the questions not learnt from. The fair price is the",
        "one point that is fixed in training: the highest price at which the profiled questions lost no accuracy. It is",
        "reached for that share of the best single path's objective.",
        "",
    ]
    lines += [line("table", "learnt from", *columns), line(*["---"] * (2 + len(columns)))]
    for row in rows:
        gains = [f"{gain:+.3f}" for gain in (row.accuracy_gain, row.worst, row.gain_at_equal_objective, row.fair_gain)]
        heights = [f"{row.aiq[name]:.3f}" for name in shares]
        lines.append(
            line(row.table, f"{row.learnt:.0%}", *gains, f"{row.fair_share:.2f}", *heights, f"{row.lead:+.4f}", f"{row.won:.0%}")
        )
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    run(main)
