"""`isthmus report`: a profile as a page for people."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Annotated, Any

import typer

from cluster.cli.embedding import embed
from cluster.cli.options import Json, print_json


def report(
    folder: Annotated[FilePath, typer.Argument(metavar="DIR", help="Folder with a profile.")],
    out: Annotated[FilePath | None, typer.Option(help="The page; DIR/report.html when not given.")] = None,
    as_json: Json = False,
) -> None:
    """Write one self-contained HTML page: frontiers, kinds of queries, critical components, costs, and all baselines."""
    from rich.console import Console

    from cluster.profile import read_table
    from cluster.report import analyse, page

    table = read_table(folder)
    spent = _spent(folder, table.profile.accuracy.size)
    (vectors,) = embed(table.profile.queries)
    with Console(stderr=True).status("Comparing policies"):
        analysis = analyse(table, vectors)
        domain = next(filter(None, table.domains), folder.name)
        text = page(f"Isthmus: profile of {domain}", analysis, spent)
    file = out or folder / "report.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    if as_json:
        print_json({"file": str(file), "exploration": spent, **asdict(analysis)})
    else:
        typer.echo(f"Wrote {file}.")


def _spent(folder: FilePath, of_cells: int) -> dict[str, Any] | None:
    """What the exploration cost, if the profile is one of ours."""
    from cluster.emulator.journal import read_records
    from cluster.emulator.result import cost

    records = read_records(folder)
    return asdict(cost(records, of_cells)) if records else None
