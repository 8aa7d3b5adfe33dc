"""`isthmus k8s render`: the configuration as manifests for Kubernetes."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

import typer

from cluster.cli.options import Configuration, Json, print_json

app = typer.Typer(help="Manifests for Kubernetes.", no_args_is_help=True)


@app.callback()
def k8s() -> None:
    """Manifests for Kubernetes."""


@app.command("render")
def render(
    config: Configuration = None,
    out: Annotated[FilePath | None, typer.Option(help="Folder for rayservice.yaml; printed when not given.")] = None,
    image: Annotated[str, typer.Option(help="Container image of head and workers.")] = "isthmus:0.1.0",
    as_json: Json = False,
) -> None:
    """Render a RayService with a worker group for each site, from the same configuration as 'isthmus up'."""
    from cluster.config.load import load, locate
    from cluster.k8s import render as manifests

    file = locate(config)
    loaded = load(file)
    if out is not None:
        written = manifests.write(loaded, file, image, out)
        if as_json:
            print_json({"file": str(written)})
        else:
            typer.echo(f"Wrote {written}.")
        return
    text = manifests.render(loaded, file, image)
    if as_json:
        print_json({"manifests": text})
    else:
        typer.echo(text, nl=False)
