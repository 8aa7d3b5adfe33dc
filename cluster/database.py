"""Databases of this system: SQLite in a file, or PostgreSQL by its URL."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from policies.errors import ConfigurationError


def open_engine(url: str, key: str) -> Engine:
    """Nothing is connected yet. Raises ConfigurationError for what is no URL, or one whose driver is not installed.

    `key` is the configuration's word for the URL.
    """
    try:
        engine = create_engine(make_url(url), pool_pre_ping=True)
    except ArgumentError:
        raise ConfigurationError(
            f"{key} is not a database URL; write it like sqlite:///file.db or postgresql+pg8000://user@host/database."
        ) from None
    except ImportError as error:
        raise ConfigurationError(f"{key} needs the driver {error.name}, which is not installed; install it with pip.") from None
    if engine.dialect.name not in ("sqlite", "postgresql"):
        raise ConfigurationError(f"{key} is for {engine.dialect.name}; SQLite or PostgreSQL is understood.")
    if is_local(url):
        event.listen(engine, "connect", _many_readers)
    return engine


def is_local(url: str) -> bool:
    """Whether the database is a file on this machine."""
    return make_url(url).get_backend_name() == "sqlite"


def file_of(url: str) -> FilePath | None:
    """The file of a local database that has one."""
    name = make_url(url).database
    return FilePath(name) if is_local(url) and name and name != ":memory:" else None


def make_folder(url: str) -> None:
    """Make the folder of a local database, out of other users' reach. Raises OSError."""
    file = file_of(url)
    if file is not None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _many_readers(connection: Any, _: object) -> None:
    """Readers do not wait for the writer, nor the writer for the disk at every commit."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
