"""Learned state on disk: one row that is replaced in a transaction, so that it is always whole.

What cannot be used, because it was cut or is of another format, is never overwritten: the row is renamed or the file moved,
and told of.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Column, Float, Integer, MetaData, Row, Table, Text, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError

from cluster.database import file_of, make_folder, open_engine
from policies.errors import IsthmusError

FORMAT = 1
"""Of the state; a row of another one is kept aside."""
NAME = "learned"
METADATA = MetaData()
CHECKPOINTS = Table(
    "isthmus_checkpoints",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("format", Integer, nullable=False),
    Column("saved_at", Float, nullable=False),
    Column("digest", Text, nullable=False),
    Column("state", Text, nullable=False),
)
_INSERTS: dict[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class DatabaseAway(IsthmusError):
    """The database cannot be asked now; it may be later."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was found: a `state` to go on from, or `aside`, which says what could not be used and where it is; or nothing."""

    state: dict[str, Any] | None = None
    age_s: float = 0.0
    """Seconds since it was saved; 0 if the clock has gone back meanwhile."""
    aside: str | None = None


class Checkpoint:
    """One checkpoint by its URL. To be called from one thread at a time."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        """Connects to nothing yet; `clock` is in seconds since 1970. Raises ConfigurationError for a URL that cannot be used."""
        self._url = url
        self._clock = clock
        self._engine = open_engine(url, "learning.url")

    def load(self) -> Kept:
        """The last state. Raises DatabaseAway."""
        try:
            row = self._read()
        except OperationalError as error:
            raise DatabaseAway(_first_line(error)) from None
        except DatabaseError as error:
            return Kept(aside=self._move_file(_first_line(error)))
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseAway(_first_line(error)) from None
        if row is None:
            return Kept()
        if row.format != FORMAT:
            return self.put_aside(f"is of format {row.format}, not {FORMAT}")
        if _digest(row.state) != row.digest:
            return self.put_aside("is damaged: its digest is wrong")
        state: dict[str, Any] = json.loads(row.state)
        return Kept(state, max(0.0, self._clock() - row.saved_at))

    def save(self, state: dict[str, Any]) -> None:
        """Replace the last state. Raises DatabaseAway."""
        text = json.dumps(state, separators=(",", ":"))
        row = {"name": NAME, "format": FORMAT, "saved_at": self._clock(), "digest": _digest(text), "state": text}
        insert = _INSERTS[self._engine.dialect.name](CHECKPOINTS).values(**row)
        insert = insert.on_conflict_do_update(index_elements=["name"], set_={name: row[name] for name in row if name != "name"})
        try:
            with self._engine.begin() as connection:
                connection.execute(insert)
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseAway(_first_line(error)) from None

    def put_aside(self, why: str) -> Kept:
        """Keep the state under another name. Raises DatabaseAway."""
        other = f"{NAME}, kept aside at {self._stamp()}"
        try:
            with self._engine.begin() as connection:
                connection.execute(CHECKPOINTS.update().where(CHECKPOINTS.c.name == NAME).values(name=other))
        except SQLAlchemyError as error:
            raise DatabaseAway(_first_line(error)) from None
        where = self._engine.url.render_as_string(hide_password=True)
        return Kept(aside=f"the checkpoint in {where} {why}; it is kept there as {other!r}, and learning began from the profile")

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _read(self) -> Row[Any] | None:
        make_folder(self._url)
        METADATA.create_all(self._engine)
        with self._engine.connect() as connection:
            return connection.execute(select(CHECKPOINTS).where(CHECKPOINTS.c.name == NAME)).first()

    def _move_file(self, why: str) -> str:
        """Set a file that is no database aside, with what SQLite keeps beside it. Raises DatabaseAway if it cannot be."""
        file = file_of(self._url)
        if file is None:
            raise DatabaseAway(why)
        self._engine.dispose()
        other = file.with_name(f"{file.name}.aside-{self._stamp()}")
        try:
            for ending in ("-wal", "-shm", ""):
                part = file.with_name(file.name + ending)
                if part.exists():
                    part.rename(other.with_name(other.name + ending))
            METADATA.create_all(self._engine)
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseAway(_first_line(error)) from None
        return f"{file} is damaged ({why}); it is kept as {other}, and learning began from the profile"

    def _stamp(self) -> str:
        return time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime(self._clock()))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
