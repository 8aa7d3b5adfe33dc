"""`isthmus init`: write a configuration to start from."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

import typer

from cluster.cli.options import Json, print_json


def init(
    folder: Annotated[FilePath, typer.Argument(metavar="DIR", help="Folder to write isthmus.yaml into; made if missing.")],
    preset: Annotated[str, typer.Option(help="smart-home, qwen, smollm or openai.")] = "qwen",
    as_json: Json = False,
) -> None:
    """Write DIR/isthmus.yaml from a preset. A file that is there is never overwritten."""
    from cluster.presets import write

    file = write(preset, folder)
    if as_json:
        print_json({"file": str(file), "preset": preset})
    else:
        typer.echo(f"Wrote {file}. Next: isthmus check --config {file}")
