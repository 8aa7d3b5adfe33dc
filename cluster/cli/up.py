"""`isthmus up`: start the cluster, deploy, and hold it until Ctrl-C."""

from __future__ import annotations

import time
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.options import Configuration, Json, print_json

if TYPE_CHECKING:
    from cluster.config import Config


def up(
    config: Configuration = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Run in the background; 'isthmus down' stops it.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait until everything is ready.")] = 300.0,
    as_json: Json = False,
) -> None:
    """Start the cluster and serve until Ctrl-C, which stops everything that was started and nothing else."""
    from cluster.config.load import load, locate
    from cluster.nodes import interrupt

    interrupt.listen()
    file = locate(config)
    loaded = load(file)
    if detach:
        from cluster.nodes.background import start

        url = start(file, timeout, lambda line: typer.echo(line, err=True))
        _announce(url, as_json)
        return
    _foreground(loaded, file, timeout, as_json)


def _foreground(config: Config, file: FilePath, timeout: float, as_json: bool) -> None:
    from cluster.cli.progress import Progress
    from cluster.nodes import interrupt
    from cluster.nodes.running import running
    from policies.errors import IsthmusError

    try:
        with Progress() as progress, running(config, file, timeout, progress.report) as cluster:
            progress.stop()
            _announce(cluster.url, as_json)
            while cluster.alive():
                interrupt.check()
                time.sleep(0.5)
            raise IsthmusError("A Ray process ended on its own, or the gateway is gone; what was started here was stopped.")
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)


def _announce(url: str, as_json: bool) -> None:
    if as_json:
        print_json({"url": url, "ready": True})
        return
    body = '{"model": "auto", "messages": [{"role": "user", "content": "Hello"}]}'
    typer.echo(f"Ready at {url}/v1. Try:\n  curl {url}/v1/chat/completions -H 'Content-Type: application/json' -d '{body}'")
