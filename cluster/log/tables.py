"""The log's two tables, the same in SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Engine, Float, Index, Integer, MetaData, Table, Text

from cluster import database

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
    """The log's database; see `cluster.database`."""
    return database.open_engine(url, "log.url")
