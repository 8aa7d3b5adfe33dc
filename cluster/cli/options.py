"""What several commands share: options, and how results are printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import Annotated

import typer

from policies.errors import ConfigurationError, IsthmusError

Configuration = Annotated[
    FilePath | None,
    typer.Option(
        "--config", "-c", help="The configuration; $ISTHMUS_CONFIG or ./isthmus.yaml when not given.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


def print_json(data: object) -> None:
    """One JSON document on the standard output; progress and errors go to the standard error."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


@contextmanager
def one_sentence() -> Iterator[None]:
    """Shows what Isthmus refuses as a sentence on the standard error, never as a trace."""
    try:
        yield
    except IsthmusError as error:
        for line in (*str(error).splitlines(), *getattr(error, "__notes__", ())):
            typer.echo(line, err=True)
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
