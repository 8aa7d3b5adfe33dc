"""Whether the decision log and what is learnt can be kept where the configuration says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path as FilePath

from cluster.checks.finding import Finding, blocked, ok
from cluster.config import Config
from policies.errors import ConfigurationError


def check_databases(config: Config) -> Iterator[Finding]:
    """One finding for each. A database elsewhere may come and go: what is to be written waits for it."""
    if config.log is not None and config.log.url is not None:
        yield _finding("log.url", config.log.url, "name a file in a folder that can, or set 'log: null'")
    if config.learning.url is not None:
        yield _finding("learning.url", config.learning.url, "name a file in a folder that can")


def _finding(key: str, url: str, mend: str) -> Finding:
    from cluster.database import file_of, open_engine

    try:
        engine = open_engine(url, key)
    except ConfigurationError as error:
        return blocked(key, str(error))
    where, file = engine.url.render_as_string(hide_password=True), file_of(url)
    if file is not None and not _writable(file):
        return blocked(key, f"{where} cannot be written; {mend}.")
    return ok(key, where)


def _writable(file: FilePath) -> bool:
    """Folders are made when the database is opened."""
    there = next(place for place in (file, *file.parents) if place.exists())
    return os.access(there, os.W_OK) and (there == file or there.is_dir())
