"""The command line `isthmus`: one file per command, nothing heavy imported before a command runs.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.
"""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from cluster.cli import bench, check, down, evaluate, index, init, k8s, profile, report, route, simulate, status, up
from cluster.cli.options import one_sentence


class OneSentence(TyperGroup):
    """Shows what any command refuses as a sentence."""

    @one_sentence()
    def invoke(self, ctx: Any) -> Any:
        return super().invoke(ctx)


app = typer.Typer(
    cls=OneSentence,
    help="One OpenAI-compatible endpoint over an edge-cloud cluster of language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("init")(init.init)
app.command("check")(check.check)
app.command("up")(up.up)
app.command("down")(down.down)
app.command("status")(status.status)
app.command("index")(index.index)
app.command("profile")(profile.profile)
app.command("report")(report.report)
app.command("evaluate")(evaluate.evaluate)
app.command("route")(route.route)
app.command("simulate")(simulate.simulate)
app.command("bench", context_settings={"allow_interspersed_args": False})(bench.bench)  # what follows NAME is the benchmark's
app.add_typer(k8s.app, name="k8s")


def main() -> None:
    """Entry point of the script `isthmus`."""
    sys.exit(app())
