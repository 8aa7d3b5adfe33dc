"""The exploration itself: in rounds, several queries in flight, every measurement on disk before it is reported."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cluster.emulator.journal import Journal, Record
from cluster.emulator.metrics import Score, Unscored
from cluster.emulator.progress import Progress
from cluster.emulator.questions import Question
from cluster.emulator.system import Reply, System
from policies.clusters import cluster
from policies.errors import IsthmusError
from policies.explore import ROUNDS, Cell, Exploration, Found
from policies.signals import SIGNALS

FloatArray = npt.NDArray[np.float64]
IN_FLIGHT = 2
"""Queries measured at once: enough that no engine waits for the others, few enough that they hardly slow each other."""
CLUSTERS = tuple(range(2, 13))
HOPELESS = 30
"""Failures in a row after which there is no point in going on."""
_SEED = 0
_MEASURES = ("accuracy", "latency_s", "cost_usd", "energy_j")
_COSTS = _MEASURES[1:]


class Emulator:
    """Explores `questions` × `paths` and keeps what it finds in a journal. A second one on the same journal goes on where
    the first was stopped, and measures nothing again.
    """

    def __init__(
        self,
        system: System,
        score: Score,
        questions: Sequence[Question],
        paths: Sequence[str],
        journal: Journal,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._system = system
        self._score = score
        self._questions = questions
        self._paths = paths
        self._journal = journal
        self._clock = clock
        self._row = {question.query_id: row for row, question in enumerate(questions)}
        self._column = {path: column for column, path in enumerate(paths)}
        self.cells = {measure: np.full((len(questions), len(paths)), np.nan) for measure in _MEASURES}
        """What is on disk, shape (queries, paths) each, NaN where not measured."""
        self.signals = np.full((len(questions), len(paths), len(SIGNALS)), np.nan)
        """What the paths showed, shape (queries, paths, signals)."""
        self._failed = self._in_a_row = 0
        self._last_error: str | None = None
        self._take(record for record in journal.records if record.measured)

    async def run(
        self, budget: int, time_limit_s: float | None, report: Callable[[Progress], None], vectors: FloatArray | None = None
    ) -> None:
        """Measure up to `budget` cells in up to `time_limit_s`. `report` is told after each batch that has reached the disk.

        Raises IsthmusError when the system is lost; what was measured stays in the journal.
        """
        self._already = self._done
        self._began, self._before_s = self._clock(), max((record.elapsed_s for record in self._journal.records), default=0.0)
        until = None if time_limit_s is None else self._began + time_limit_s
        if vectors is None:
            vectors = await self._system.embed([question.query for question in self._questions])
        rng = np.random.default_rng(_SEED)
        groups = cluster(vectors, CLUSTERS, rng)
        exploration = Exploration(vectors, groups, [path.split("/", 3) for path in self._paths], budget, rng)
        trial = exploration.trial()
        middle = None if until is None else (self._began + until) / 2
        await self._phase("representatives", trial, exploration.budget, middle, report)
        for left in range(ROUNDS, 0, -1):
            if until is None or self._clock() < until:
                cells = exploration.round(self._found(), left)
                await self._phase("all queries", cells, exploration.budget, until, report)

    async def _phase(
        self, name: str, cells: Sequence[Cell], budget: int, until: float | None, report: Callable[[Progress], None]
    ) -> None:
        """Measure those of `cells` that are not, query by query."""
        left = self._left(cells)

        def tell() -> None:
            seconds, done = self._clock() - self._began, self._done - self._already
            left_s = (budget - self._done) * seconds / done if done else None
            report(Progress(name, self._done, budget, self._failed, self._elapsed(), left_s))

        if left:
            await self._measure(_by_query(left), until, tell)

    async def _measure(self, work: Sequence[tuple[int, list[int]]], until: float | None, tell: Callable[[], None]) -> None:
        """Workers take queries from `work`; one writer puts all that came meanwhile on disk together, then reports it."""
        arrived: asyncio.Queue[Record | None] = asyncio.Queue()
        waiting = iter(work)
        writer = asyncio.create_task(self._write(arrived, tell))
        try:
            async with (
                asyncio.timeout(None if until is None else max(0.0, until - self._clock())),
                asyncio.TaskGroup() as workers,
            ):
                for _ in range(IN_FLIGHT):
                    workers.create_task(self._work(waiting, arrived))
        except TimeoutError:
            pass  # the caller's limit, not a failure
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            arrived.put_nowait(None)
            await asyncio.shield(writer)

    async def _work(self, waiting: Iterable[tuple[int, list[int]]], arrived: asyncio.Queue[Record | None]) -> None:
        for row, columns in waiting:
            question = self._questions[row]
            replies = self._system.measure(question, [self._paths[column] for column in columns])
            async with aclosing(replies):
                async for reply in replies:
                    arrived.put_nowait(await self._record(question, reply))
                    if self._in_a_row >= HOPELESS:
                        raise IsthmusError(f"{HOPELESS} measurements in a row failed, the last with: {self._last_error}")

    async def _record(self, question: Question, reply: Reply) -> Record:
        record = Record(question.query_id, reply.path, reply.answer, energy_source=reply.energy_source, error=reply.error)
        record = replace(record, spent_s=reply.spent_s, spent_usd=reply.spent_usd, spent_j=reply.spent_j)
        if reply.error is not None:
            return replace(record, accuracy=0.0) if reply.is_the_paths_fault else record
        try:
            accuracy = await self._score(question, reply.answer)
        except Unscored as error:
            return replace(record, error=str(error))
        measures = {name: getattr(reply, name) for name in _COSTS}
        return replace(record, accuracy=accuracy, signals=reply.signals, **measures)

    async def _write(self, arrived: asyncio.Queue[Record | None], tell: Callable[[], None]) -> None:
        while True:
            batch = [await arrived.get()]
            while not arrived.empty():
                batch.append(arrived.get_nowait())
            elapsed_s = self._elapsed()
            records = [replace(record, elapsed_s=round(elapsed_s, 3)) for record in batch if record is not None]
            if records:
                await asyncio.to_thread(self._journal.append, records)
                self._take(records)
                tell()
            if batch[-1] is None:
                return

    def _take(self, records: Iterable[Record]) -> None:
        for record in records:
            self._in_a_row = 0 if record.measured else self._in_a_row + 1
            if not record.measured:
                self._failed, self._last_error = self._failed + 1, record.error
                continue
            cell = self._row[record.query_id], self._column[record.path]
            for measure in _MEASURES:
                self.cells[measure][cell] = _number(getattr(record, measure))
            self.signals[cell] = [_number(getattr(record.signals, name)) for name in SIGNALS]

    @property
    def _done(self) -> int:
        return int((~np.isnan(self.cells["accuracy"])).sum())

    def _left(self, cells: Iterable[Cell]) -> list[Cell]:
        return [cell for cell in cells if np.isnan(self.cells["accuracy"][cell])]

    def _found(self) -> Found:
        return Found(self.cells["accuracy"], np.stack([self.cells[cost] for cost in _COSTS]))

    def _elapsed(self) -> float:
        return self._before_s + self._clock() - self._began


def _by_query(cells: Iterable[Cell]) -> list[tuple[int, list[int]]]:
    """The cells of each query together, its paths in the trie's order, queries in the order of their first cell."""
    columns: dict[int, list[int]] = {}
    for row, column in cells:
        columns.setdefault(row, []).append(column)
    return [(row, sorted(each)) for row, each in columns.items()]


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
