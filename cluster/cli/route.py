"""`isthmus route`: what the running system would do with a question."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cluster.cli.options import Configuration, Json, print_json

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    from cluster.config import Config

_TIMEOUT_S = 30.0


def route(
    question: Annotated[str, typer.Argument(help="What to ask.")],
    model: Annotated[str, typer.Option(help="auto, or the name of a path or a model.")] = "auto",
    max_latency_s: Annotated[float | None, typer.Option(help="Seconds to the last byte.")] = None,
    max_ttft_s: Annotated[float | None, typer.Option(help="Seconds to the first token.")] = None,
    max_cost_usd: Annotated[float | None, typer.Option(help="US dollars.")] = None,
    min_accuracy: Annotated[float | None, typer.Option(help="Least expected accuracy, 0 to 1.")] = None,
    max_energy_j: Annotated[float | None, typer.Option(help="Joules.")] = None,
    privacy: Annotated[Literal["any", "edge"] | None, typer.Option(help="How far the question may travel.")] = None,
    on_infeasible: Annotated[
        Literal["best_effort", "reject", "cheapest"] | None, typer.Option(help="What to do when no path keeps the limits.")
    ] = None,
    config: Configuration = None,
    as_json: Json = False,
) -> None:
    """Decide without running: the path for QUESTION on the running cluster, what was weighed and what was dropped and why."""
    from cluster.config.load import load, locate

    limits = {
        "max_latency_s": max_latency_s,
        "max_ttft_s": max_ttft_s,
        "max_cost_usd": max_cost_usd,
        "min_accuracy": min_accuracy,
        "max_energy_j": max_energy_j,
        "privacy": privacy,
        "on_infeasible": on_infeasible,
    }
    slo = {name: value for name, value in limits.items() if value is not None}
    file = locate(config)
    told = _ask(load(file), file, {"model": model, "messages": [{"role": "user", "content": question}], "slo": slo})
    if as_json:
        print_json(told)
    else:
        _print(told)


def _ask(config: Config, file: FilePath, body: dict[str, Any]) -> dict[str, Any]:
    import httpx

    from cluster.nodes import state
    from cluster.nodes.application import readable_url
    from policies.errors import IsthmusError

    running = state.read(file)
    url = readable_url(config) if running is None else running.url
    key = os.environ.get(config.gateway.api_keys_env or "", "").split(",")[0].strip()
    try:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        answer = httpx.post(f"{url}/v1/route", json=body, headers=headers, timeout=_TIMEOUT_S)
        told: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise IsthmusError(f"The gateway at {url} does not answer ({error}); 'isthmus up' starts one.") from None
    if answer.status_code != 200:
        raise IsthmusError(told["error"]["message"])
    return told


def _print(told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text

    from cluster.cli.grid import Grid

    console = Console(highlight=False)
    site = f" at {told['site']}" if told["site"] else ""
    console.print(Text(f"{told['path']}{site}", "bold"))
    console.print(Text(told["reason"]))
    if not told["feasible"]:
        console.print(Text("no path keeps the limits", "red"))
    if not told["candidates"]:
        return
    head = ("path, and why", "accuracy", "seconds", "9 of 10 within", "USD", "joules")
    rows = told["candidates"]
    styles = ["bold green" if row["path"] == told["path"] else "" if row["kept"] else "dim" for row in rows]
    console.print(Grid(head, [_row(row) for row in rows], styles=styles))


def _row(candidate: dict[str, Any]) -> tuple[str, ...]:
    """A reason is as long as a path's name: below it, so that both have room."""
    expected = candidate["predicted"]
    numbers = (_number(expected[axis]) for axis in ("accuracy", "latency_s", "latency_p90_s", "cost_usd", "energy_j"))
    return (f"{candidate['path']}\n({candidate['why']})", *numbers)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
