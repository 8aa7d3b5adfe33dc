"""Writes the log beside the requests: they put an entry into a queue and go on."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from threading import Event, Thread
from typing import Any

from sqlalchemy import Insert, Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from cluster.database import is_local, make_folder
from cluster.log.entries import Answered, Decided, Entry, Feedback
from cluster.log.tables import DECISIONS, FEEDBACK, METADATA, open_engine

logger = logging.getLogger("ray.serve")

_EVERY_S = 0.2
"""Seconds between two batches: a lost process loses no more than this."""
_BATCH = 1000
_LAST_TRIES = 3
_INSERTS: dict[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class DecisionLog:
    """A thread with a bounded queue before it. A database that is away costs entries once the queue is full, never requests."""

    def __init__(self, url: str, capacity: int = 50_000) -> None:
        """Connects to nothing yet. Raises ConfigurationError for a URL that cannot be used."""
        self._engine = open_engine(url)
        self._url = url
        self._local = is_local(url)
        self._capacity = capacity
        self._queue: deque[Entry] = deque()
        self._stopping = Event()
        self._there = False
        self._well = True
        self._thread = Thread(target=self._run, name="decision-log", daemon=True)
        self.lost = 0
        """Entries that were not kept."""

    def start(self) -> None:
        """Write from now on."""
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Have `entry` written soon. Never waits. A private question is only kept where the edge itself keeps it."""
        if len(self._queue) >= self._capacity:
            self.lost += 1
            return
        self._queue.append(entry)

    def answer(self, decision_id: str) -> Answered | None:
        """The answered decision of this id, by whatever gateway; None if none has been written. Asks the database."""
        wanted = select(DECISIONS.c.path, DECISIONS.c.predicted_accuracy).where(
            DECISIONS.c.decision_id == decision_id, DECISIONS.c.error.is_(None)
        )
        try:
            with self._engine.connect() as connection:
                row = connection.execute(wanted).first()
        except SQLAlchemyError:
            return None
        return Answered(row.path, row.predicted_accuracy) if row else None

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what is still in the queue, and stop."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if lost := self.lost + len(self._queue):
            logger.warning("%d entries of the decision log are lost", lost)
        self._engine.dispose()

    def _run(self) -> None:
        tries = 0
        while self._queue or not self._stopping.is_set():
            self._stopping.wait(_EVERY_S)
            while self._queue and self._write():
                tries = 0
            if self._queue and self._stopping.is_set():
                tries += 1
                if tries == _LAST_TRIES:
                    return

    def _write(self) -> bool:
        """One batch, which leaves the queue once it is committed."""
        batch = [self._queue[place] for place in range(min(_BATCH, len(self._queue)))]
        rows = [asdict(self._outward(entry)) for entry in batch if isinstance(entry, Decided)]
        scores = [asdict(entry) for entry in batch if isinstance(entry, Feedback)]
        try:
            self._make_tables()
            with self._engine.begin() as connection:
                if rows:
                    connection.execute(self._insert(), rows)
                if scores:
                    connection.execute(FEEDBACK.insert(), scores)
        except (SQLAlchemyError, OSError) as error:
            self._tell(error)
            return False
        self._well = True
        for _ in batch:
            self._queue.popleft()
        return True

    def _insert(self) -> Insert:
        """A batch is written again if it is not known whether its commit arrived."""
        insert: Insert = _INSERTS[self._engine.dialect.name](DECISIONS).on_conflict_do_nothing()
        return insert

    def _make_tables(self) -> None:
        if not self._there:
            make_folder(self._url)
            METADATA.create_all(self._engine)
            self._there = True

    def _outward(self, entry: Decided) -> Decided:
        return replace(entry, query="") if entry.private and not self._local else entry

    def _tell(self, error: Exception) -> None:
        """Once per outage."""
        if self._well:
            logger.warning("the decision log cannot be written (%s); entries wait for it", str(error).splitlines()[0])
        self._well = False
