"""What several commands share: options, and how results are printed."""

from __future__ import annotations

import json
from pathlib import Path as FilePath
from typing import Annotated

import typer

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
