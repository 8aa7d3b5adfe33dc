"""`isthmus check`: what is missing before the cluster can start."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from cluster.cli.options import Configuration, Json, print_json

if TYPE_CHECKING:
    from cluster.checks import Finding

COLOURS = {"ok": "green", "warning": "yellow", "blocked": "red"}


def check(config: Configuration = None, as_json: Json = False) -> None:
    """Tell what is missing and how to mend it. Exit code 2 when something blocks the start."""
    from cluster.checks import Finding, check_all
    from cluster.config.load import load, locate
    from policies.errors import ConfigurationError

    file = locate(config)
    try:
        findings = [Finding("configuration", "ok", str(file)), *check_all(load(file), file)]
    except ConfigurationError as error:
        findings = [Finding("configuration", "blocked", sentence) for sentence in str(error).splitlines()]
    blocks = any(finding.level == "blocked" for finding in findings)
    if as_json:
        print_json({"ready": not blocks, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    raise typer.Exit(2 if blocks else 0)


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    table = Table("what", "state", Column("detail", overflow="fold"))
    for finding in findings:
        table.add_row(finding.name, Text(finding.level, COLOURS[finding.level]), Text(finding.detail))
    Console().print(table)
