"""`isthmus index`: build the index of the documents, or bring it up to date."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.options import Configuration, Json, print_json

if TYPE_CHECKING:
    from cluster.config import Documents
    from cluster.index import IndexReport


def index(
    folder: Annotated[
        FilePath | None, typer.Argument(metavar="DIR", help="Folder with documents; that of the configuration when not given.")
    ] = None,
    out: Annotated[FilePath | None, typer.Option(help="Folder of the index; with DIR no configuration is needed then.")] = None,
    config: Configuration = None,
    as_json: Json = False,
) -> None:
    """Read txt, md, html, jsonl and pdf files and index them. Only what changed since the last time is read again.

    A running gateway keeps the index that it has until it is started again.
    """
    documents, encoder = _what(folder, out, config)
    report = build(documents, encoder)
    if as_json:
        print_json({"index": str(documents.index), **asdict(report)})
    else:
        _print(documents, report)


def build(documents: Documents, encoder: str) -> IndexReport:
    """Build with a progress bar on the standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from cluster.index.files import find

    find(documents.folder, documents.index)  # an empty folder is told before the encoder has taken its seconds to load
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        loading = progress.add_task("encoder", total=1)
        from cluster.encoder import open_encoder
        from cluster.index import build_index

        model = open_encoder(encoder, threads=os.cpu_count() or 1)  # nobody else is served meanwhile
        progress.update(loading, completed=1)
        tasks = {phase: progress.add_task(phase, total=None, visible=False) for phase in ("reading", "embedding")}
        return build_index(
            documents, model, lambda phase, done, total: progress.update(tasks[phase], completed=done, total=total, visible=True)
        )


def _what(folder: FilePath | None, out: FilePath | None, config: FilePath | None) -> tuple[Documents, str]:
    """The documents to index and the encoder's name. Raises ConfigurationError when neither options nor configuration say."""
    from cluster.config import Documents, Stages
    from cluster.config.load import load
    from policies.errors import ConfigurationError

    here = folder.expanduser().absolute() if folder else None
    if here and out:
        return Documents(folder=here, index=out.expanduser().absolute()), Stages().encoder
    loaded = load(config, documents__folder=here and str(here), documents__index=out and str(out.expanduser().absolute()))
    if loaded.documents is None:
        raise ConfigurationError(
            "The configuration names no documents; give documents.folder, or run 'isthmus index DIR --out INDEX'."
        )
    return loaded.documents, loaded.stages.encoder


def _print(documents: Documents, report: IndexReport) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("files", "passages", "embedded now", "files removed", "left out", "seconds")
    numbers = (report.files, report.passages, report.embedded, report.removed, len(report.skipped))
    table.add_row(*map(str, numbers), f"{report.seconds:.1f}")
    console = Console()
    console.print(table)
    for skipped in report.skipped:
        console.print(f"left out: {skipped.source}: {skipped.why}", highlight=False, markup=False)
    console.print(f"index: {documents.index}", highlight=False, markup=False)
