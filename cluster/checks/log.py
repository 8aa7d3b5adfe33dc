"""Whether the decision log can be kept where the configuration says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path as FilePath

from cluster.checks.finding import Finding, blocked, ok
from cluster.config import Config
from policies.errors import ConfigurationError


def check_log(config: Config) -> Iterator[Finding]:
    """One finding if a log is kept. A database elsewhere may come and go: what is to be written waits for it."""
    if config.log is None or config.log.url is None:
        return
    from cluster.log.tables import open_engine

    try:
        engine = open_engine(config.log.url)
    except ConfigurationError as error:
        yield blocked("log.url", str(error))
        return
    where = engine.url.render_as_string(hide_password=True)
    if engine.dialect.name == "sqlite" and not _writable(FilePath(engine.url.database or "")):
        yield blocked("log.url", f"{where} cannot be written; name a file in a folder that can, or set 'log: null'.")
    else:
        yield ok("log.url", where)


def _writable(file: FilePath) -> bool:
    """Folders are made when the log is opened."""
    there = next(place for place in (file, *file.parents) if place.exists())
    return os.access(there, os.W_OK) and (there == file or there.is_dir())
