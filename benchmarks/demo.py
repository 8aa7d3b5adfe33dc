"""The demo home, live: paths are explored, then `auto` is compared with other ways to choose, on questions never profiled.

    python -m benchmarks.demo [--work DIR] [--resume] [--out docs/results.md] [--json]

Starts the cluster of examples/smart_home (llama.cpp at the edge, vLLM in the cloud, an emulated link of 40 ms between them)
and runs `isthmus profile` on three fifths of the questions. On the others every policy asks the running gateway with an
`openai` client, one question at a time; a few good paths are measured on all of them, for the oracle. An answer is right if
it is the reference, word for word. Stopped at any moment, `--resume` goes on; the cluster is stopped whatever happens.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from openai import OpenAIError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks import demo_policies as policies
from benchmarks.command import run
from benchmarks.demo_asking import Asker
from benchmarks.demo_home import Split, configure, isthmus, running, split, write_questions
from benchmarks.demo_page import section
from benchmarks.demo_picture import drawing
from benchmarks.demo_result import Result, compare
from benchmarks.demo_served import Served
from benchmarks.page import write_section
from cluster.cli.exploring import Display
from cluster.config import Config, load
from cluster.emulator import Emulator, Journal, Question, System
from cluster.emulator.journal import NAME, read_records
from cluster.emulator.metrics import open_metric
from cluster.emulator.result import cost, table
from cluster.encoder import open_encoder
from cluster.profile import QUERIES, Table, read_table
from policies.errors import IsthmusError
from policies.types import Path as PathOf

SEED = 0
METRIC = "exact"
SHORTLIST = 8
"""Paths of each tier that are measured on every held-out question."""
PICTURE = "demo.svg"
PROFILE, BY_MODEL, HELD_OUT, SERVED, ANSWERS, RESULT = "profile", "by-model", "held-out", "served", "answers.jsonl", "result.json"
ERRORS = Console(stderr=True, highlight=False)


def main(
    work: Annotated[Path, typer.Option(help="Keeps the profile and the answers.")] = Path(".isthmus/bench-demo"),
    budget: Annotated[float, typer.Option(min=0.01, max=1, help="Share of all cells to explore.")] = 0.1,
    minutes: Annotated[float, typer.Option(min=1, help="Longest time to explore.")] = 15.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what an unfinished run left in DIR.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the section of this page and draw its picture.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explore, ask, compare, stop everything."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        result = bench(work.absolute(), budget, 60 * minutes, resume=resume)
    except (IsthmusError, OpenAIError) as error:
        ERRORS.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        ERRORS.print(f"Stopped; --resume goes on with what {work} holds.", markup=False, soft_wrap=True)
        raise typer.Exit(130) from None
    if out is not None:
        write_section(out, "demo", section(result, PICTURE))
        out.with_name(PICTURE).write_text(drawing(result.rows), encoding="utf-8")
    print(json.dumps(asdict(result), indent=2) if as_json else section(result, PICTURE))


def bench(work: Path, budget: float, seconds: float, *, resume: bool) -> Result:
    """All steps. What a finished run left in `work` is replaced. Raises IsthmusError if an unfinished one left something and not
    `resume`, and for what the cluster cannot do."""
    if (work / RESULT).exists():
        _clear(work)
    if (work / PROFILE / NAME).exists() and not resume:
        raise IsthmusError(f"{work} holds an unfinished run; go on with --resume, or choose another --work.")
    work.mkdir(parents=True, exist_ok=True)
    questions = split(SEED)
    write_questions(questions.learnt, work / "learnt.jsonl")
    file = configure(work, None)
    with running(file) as url:
        explore(work, file, budget, seconds)
        config, profile = load(file), read_table(work / PROFILE)
        alone = policies.by_model(policies.best_path(profile, "cloud"), config.generators)
        by_model = measure(config, url, questions.learnt, alone, work / BY_MODEL)
        shortlist = [*policies.best_paths(profile, "edge", SHORTLIST), *policies.best_paths(profile, "cloud", SHORTLIST)]
        measured = measure(config, url, questions.held_out, shortlist, work / HELD_OUT)
    asker = Asker(work / ANSWERS)
    served = Served(work / SERVED, work / PROFILE)
    file = configure(work, served.folder)
    with running(file) as url:
        served.url = url
        ask(served, asker, load(file), profile, by_model, questions)
    spent = cost(read_records(work / PROFILE), len(questions.learnt) * len(config.paths))
    result = compare(config, measured, asker.answers, spent, len(questions.learnt))
    (work / RESULT).write_text(json.dumps(asdict(result), indent=2), encoding="utf-8")
    return result


def _clear(work: Path) -> None:
    """Remove what a finished run left, and nothing else."""
    for folder in (PROFILE, BY_MODEL, HELD_OUT, SERVED):
        shutil.rmtree(work / folder, ignore_errors=True)
    for file in (ANSWERS, RESULT):
        (work / file).unlink(missing_ok=True)


def explore(work: Path, file: Path, budget: float, seconds: float) -> None:
    """`isthmus profile`, for as long as earlier runs have left of `seconds`."""
    profile = work / PROFILE
    before_s = max((record.elapsed_s for record in read_records(profile)), default=0.0)
    if before_s >= seconds and (profile / QUERIES).exists():
        return
    more = ["--resume"] if (profile / NAME).exists() else []
    limits = ["--budget", str(budget), "--time-limit", str(max(1.0, seconds - before_s)), "--metric", METRIC]
    isthmus("profile", "--queries", str(work / "learnt.jsonl"), "--out", str(profile), *limits, *more, "--config", str(file))


def measure(config: Config, url: str, questions: Sequence[Question], paths: Sequence[str], folder: Path) -> Table:
    """Every question on every one of `paths`."""

    async def run(journal: Journal) -> Table:
        system = System(url, None, config.gateway.timeout_s)
        try:
            emulator = Emulator(system, open_metric(METRIC, system, None), questions, paths, journal)
            with Display(lambda: ()) as display:
                await emulator.run(len(questions) * len(paths), None, display.update)
        finally:
            await system.close()
        return table(config, questions, [PathOf.parse(name) for name in paths], emulator.cells, emulator.signals)

    with Journal(folder, {"paths": list(paths), "questions": len(questions)}, resume=True) as journal:
        return asyncio.run(run(journal))


def ask(served: Served, asker: Asker, config: Config, profile: Table, by_model: Table, questions: Split) -> None:
    """Every policy asks every held-out question."""
    encoder = open_encoder(config.stages.encoder)
    learnt = encoder.encode([question.query for question in questions.learnt])
    held_out = encoder.encode([question.query for question in questions.held_out])
    asks = policies.asks(config, profile, by_model, learnt, questions.held_out, held_out, SEED)
    columns = (TextColumn("{task.description:>16}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=ERRORS) as progress:
        task = progress.add_task("asking", total=len(asks))
        asker.ask_all(
            served.url,
            asks,
            lambda name: served.serve(adaptive=name != policies.FIXED),
            lambda name, done, of: progress.update(task, description=name, completed=done, total=of),
        )


if __name__ == "__main__":
    run(main)
