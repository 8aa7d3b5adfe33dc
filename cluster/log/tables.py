"""The log's two tables, the same in SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Engine, Float, Index, Integer, MetaData, Table, Text, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from policies.errors import ConfigurationError

_NUMBERS = (
    "latency_s",
    "wait_s",
    "ttft_s",
    "cost_usd",
    "energy_j",
    "predicted_accuracy",
    "predicted_latency_s",
    "predicted_cost_usd",
    "predicted_energy_j",
)
METADATA = MetaData()
DECISIONS = Table(
    "isthmus_decisions",
    METADATA,
    Column("decision_id", Text, primary_key=True),
    Column("at", Float, nullable=False),
    Column("domain", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("path", Text, nullable=False),
    Column("site", Text),
    Column("reason", Text, nullable=False),
    Column("feasible", Boolean, nullable=False),
    Column("error", Text),
    Column("slo_met", Boolean),
    *(Column(name, Float) for name in _NUMBERS),
    Index("isthmus_decisions_at", "at"),
)
FEEDBACK = Table(
    "isthmus_feedback",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("decision_id", Text, nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("score", Float, nullable=False),
)


def open_engine(url: str) -> Engine:
    """Nothing is connected yet. Raises ConfigurationError for what is no URL, or one whose driver is not installed."""
    try:
        engine = create_engine(make_url(url), pool_pre_ping=True)
    except ArgumentError:
        raise ConfigurationError(
            "log.url is not a database URL; write it like sqlite:///log.db or postgresql+psycopg://user@host/database."
        ) from None
    except ImportError as error:
        raise ConfigurationError(f"log.url needs the driver {error.name}, which is not installed; install it with pip.") from None
    if engine.dialect.name not in ("sqlite", "postgresql"):
        raise ConfigurationError(f"log.url is for {engine.dialect.name}; the log can be kept in SQLite or PostgreSQL.")
    if is_local(url):
        event.listen(engine, "connect", _many_readers)
    return engine


def is_local(url: str) -> bool:
    """Whether the log is a file on this machine."""
    return make_url(url).get_backend_name() == "sqlite"


def _many_readers(connection: Any, _: object) -> None:
    """Readers do not wait for the writer, nor the writer for the disk at every commit."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
