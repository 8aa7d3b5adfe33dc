"""A benchmark as a command: what it refuses is a sentence, as with `isthmus` itself."""

from __future__ import annotations

from collections.abc import Callable

import typer

from cluster.cli.options import one_sentence


def run(main: Callable[..., None]) -> None:
    """`main` with its options from the command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(one_sentence()(main))
    app()
