"""`isthmus down`: stop the cluster of a configuration."""

from __future__ import annotations

import typer

from cluster.cli.options import Configuration, Json, print_json


def down(config: Configuration = None, as_json: Json = False) -> None:
    """Stop the cluster that 'isthmus up' started for this configuration, and nothing else."""
    from cluster.config.load import locate
    from cluster.nodes.background import stop

    pid = stop(locate(config))
    if as_json:
        print_json({"stopped": pid})
    else:
        typer.echo("Stopped.")
