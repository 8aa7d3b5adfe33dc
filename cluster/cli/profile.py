"""`isthmus profile`: measure paths on the running cluster."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli.options import Configuration, Json, print_json
from policies.errors import ConfigurationError

if TYPE_CHECKING:
    from cluster.config import Config
    from cluster.emulator import Emulator, Journal, Question, System
    from cluster.emulator.metrics import Score

JUDGE_KEY = "ISTHMUS_JUDGE_KEY"


def profile(
    out: Annotated[FilePath, typer.Option(help="Folder to write the profile into.", metavar="DIR")],
    queries: Annotated[
        FilePath | None, typer.Option(help="JSON lines with query_id, query, reference and perhaps messages.")
    ] = None,
    from_log: Annotated[
        bool, typer.Option("--from-log", help="Measure nothing: add what the decision log and feedback tell to DIR.")
    ] = False,
    budget: Annotated[float, typer.Option(min=0, max=1, help="Share of all cells (a query on a path) to measure.")] = 0.1,
    time_limit: Annotated[float | None, typer.Option(min=1, help="Seconds after which to stop and write what there is.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the measurements in DIR.")] = False,
    metric: Annotated[str, typer.Option(help="auto, exact, f1, json, embedding, judge, or module:function.")] = "auto",
    judge_url: Annotated[
        str | None, typer.Option(help=f"OpenAI-compatible service that judges; its key in ${JUDGE_KEY}.")
    ] = None,
    judge_model: Annotated[str | None, typer.Option(help="Its model.")] = None,
    config: Configuration = None,
    as_json: Json = False,
) -> None:
    """Measure the configuration's paths on QUERIES within a budget, on the cluster that runs, and write a profile.

    Stopped at any moment, even killed, it goes on with --resume where it was. With --from-log nothing is measured: what the
    log's answers took, and their accuracy where people gave feedback, joins the profile in DIR, or begins it.
    """
    from cluster.config.load import load, locate
    from cluster.emulator import Journal, System, read_questions
    from cluster.emulator.metrics import Judge, open_metric

    if from_log == (queries is not None):
        raise ConfigurationError("A profile is made of --queries FILE or --from-log; give one of the two.")
    file = locate(config)
    loaded = load(file)
    if queries is None:
        _show_logged(_from_log(loaded, out), as_json)
        return
    questions = read_questions(queries)
    about = {
        "queries": _digest(questions),
        "paths": [path.name for path in loaded.paths],
        "metric": metric,
    }
    judge = Judge(judge_url, judge_model, os.environ.get(JUDGE_KEY)) if judge_url and judge_model else None
    system = System(_url(loaded, file), _key(loaded), loaded.gateway.timeout_s)
    score = open_metric(metric, system, judge)  # before anything is written: a name that does not exist must cost nothing
    with Journal(out, about, resume=resume) as journal:
        try:
            result = asyncio.run(_explore(loaded, system, score, questions, journal, budget, time_limit, out))
        except KeyboardInterrupt:
            typer.echo(f"Stopped with {len(journal.records)} measurements in {out}; --resume goes on.", err=True)
            raise
    if as_json:
        print_json(result)
    else:
        _print(result)


async def _explore(
    config: Config,
    system: System,
    score: Score,
    questions: tuple[Question, ...],
    journal: Journal,
    budget: float,
    time_limit: float | None,
    out: FilePath,
) -> dict[str, Any]:
    from cluster.cli.exploring import Display
    from cluster.emulator import Emulator
    from cluster.emulator.result import cost, table
    from cluster.profile import write_table

    try:
        names = [path.name for path in config.paths]
        emulator = Emulator(system, score, questions, names, journal)
        with Display(lambda: _best(emulator, names)) as display:
            await emulator.run(round(budget * len(questions) * len(names)), time_limit, display.update)
    finally:
        await system.close()
    write_table(table(config, questions, config.paths, emulator.cells, emulator.signals), out)
    spent = cost(journal.records, len(questions) * len(names))
    return {
        "profile": str(out),
        "queries": len(questions),
        "paths": len(names),
        **asdict(spent),
        "frontier": [asdict(point) for point in _best(emulator, names)],
    }


def _from_log(config: Config, out: FilePath) -> dict[str, Any]:
    from cluster.log import profile_from_log
    from cluster.profile import QUERIES, join, read_table, write_table

    if config.log is None or config.log.url is None:
        raise ConfigurationError("The configuration keeps no log (log: null); take that out and gather feedback first.")
    logged = profile_from_log(config.log.url, config)
    table = join(read_table(out), logged) if (out / QUERIES).exists() else logged
    write_table(table, out)
    return {
        "profile": str(out),
        "logged_queries": len(logged.profile.query_ids),
        "queries": len(table.profile.query_ids),
        "paths": len(table.paths),
    }


def _show_logged(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
    else:
        typer.echo(
            f"{result['logged_queries']} questions of the log are in the profile {result['profile']}, "
            f"which has {result['queries']} questions on {result['paths']} paths now."
        )


def _best(emulator: Emulator, names: list[str]) -> tuple[Any, ...]:
    from cluster.emulator.progress import best_paths

    return best_paths(emulator.cells, names)


def _url(config: Config, file: FilePath) -> str:
    """The cluster that 'isthmus up' started, or one that listens where the configuration says."""
    from cluster.nodes import state
    from cluster.nodes.application import readable_url

    running = state.read(file)
    return readable_url(config) if running is None else running.url


def _key(config: Config) -> str | None:
    """One of the keys that the gateway accepts."""
    keys = os.environ.get(config.gateway.api_keys_env or "", "")
    return keys.split(",")[0].strip() or None


def _digest(questions: tuple[Question, ...]) -> str:
    import hashlib

    return hashlib.sha256("\n".join(question.model_dump_json() for question in questions).encode()).hexdigest()[:16]


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console

    from cluster.cli.exploring import frontier
    from cluster.emulator.progress import Point

    console = Console(highlight=False)
    console.print(frontier([Point(**point) for point in result["frontier"]], "Frontier: means"))
    share = result["cells"] / result["of_cells"]
    measured = f"{result['cells']} of {result['of_cells']} cells ({share:.1%}) in {result['elapsed_s']:.0f} s"
    spent = f"${result['spent_usd']:.4f} and {result['spent_j']:.0f} J"
    unshared = f"${result['unshared_usd']:.4f} and {result['unshared_j']:.0f} J"
    console.print(f"{measured}, {result['failed']} failed; spent {spent}, without shared stages it would be {unshared}")
    console.print(f"profile: {result['profile']}", markup=False)
