"""Measurements on disk before anyone hears of them: an append-only file that survives a kill at any moment."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from types import TracebackType
from typing import Any, Self

from policies.errors import ConfigurationError
from policies.signals import NO_SIGNALS, Signals

NAME = "journal.jsonl"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Record:
    """One query on one path. A path that cannot answer has accuracy 0, no other measure, and an `error`; one that the cluster
    could not run has no measure at all and is tried again.

    `spent_*` is what was run for it alone, without the stages that an earlier path had run; `elapsed_s` counts from the
    beginning of the exploration, pauses left out.
    """

    query_id: str
    path: str
    answer: str = ""
    accuracy: float | None = None
    latency_s: float | None = None
    cost_usd: float | None = None
    energy_j: float | None = None
    energy_source: str = "modelled"
    error: str | None = None
    spent_s: float = 0.0
    spent_usd: float = 0.0
    spent_j: float = 0.0
    elapsed_s: float = 0.0
    signals: Signals = NO_SIGNALS

    @property
    def measured(self) -> bool:
        return self.accuracy is not None


class Journal:
    """The journal of one profile folder; a context manager, locked against a second writer.

    The first line says what is being measured; a folder that was begun for something else is refused. A last line that was
    cut off by a kill is dropped: nobody was told of it.
    """

    def __init__(self, folder: FilePath, about: Mapping[str, Any], *, resume: bool) -> None:
        """Raises ConfigurationError if there is a journal already and not `resume`, or one about something else."""
        self._file = folder / NAME
        self._about = {"version": VERSION, **about}
        if self._file.exists() and not resume:
            raise ConfigurationError(f"{folder} holds measurements already; go on with --resume, or choose another --out.")
        folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self.records = self._open()
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._descriptor)

    def append(self, records: Iterable[Record]) -> None:
        """Write and wait until it is on disk. One call for several records costs one wait."""
        batch = tuple(records)
        self._write("".join(json.dumps(_short(record), ensure_ascii=False) + "\n" for record in batch))
        self.records.extend(batch)

    def _open(self) -> list[Record]:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"Another process writes to {self._file}; wait for it, or choose another --out.") from None
        lines = list(self._whole_lines())
        if not lines:
            os.ftruncate(self._descriptor, 0)
            self._write(json.dumps(self._about, ensure_ascii=False) + "\n")
            _sync_folder(self._file.parent)
            return []
        self._refuse_another(json.loads(lines[0]))
        return _records(lines)

    def _whole_lines(self) -> Iterator[bytes]:
        """All lines but an unfinished last one, which is cut off the file."""
        data = self._file.read_bytes()
        end = data.rfind(b"\n") + 1
        if end < len(data):
            os.ftruncate(self._descriptor, end)
        yield from data[:end].splitlines()

    def _refuse_another(self, about: Mapping[str, Any]) -> None:
        for name, value in self._about.items():
            if about.get(name) != value:
                raise ConfigurationError(
                    f"{self._file} was begun with other {name}; go back to them, or measure anew with another --out."
                )

    def _write(self, text: str) -> None:
        data = memoryview(text.encode())
        while data:
            data = data[os.write(self._descriptor, data) :]
        os.fsync(self._descriptor)


def read_records(folder: FilePath) -> list[Record]:
    """What the journal in `folder` holds by now, without locking it; nothing if there is none."""
    try:
        data = (folder / NAME).read_bytes()
    except FileNotFoundError:
        return []
    return _records(data[: data.rfind(b"\n") + 1].splitlines())


def _records(lines: Sequence[bytes]) -> list[Record]:
    return [_record(json.loads(line)) for line in lines[1:]]


def _record(fields: dict[str, Any]) -> Record:
    return Record(**{**fields, "signals": Signals(**fields.get("signals", {}))})


def _short(record: Record) -> dict[str, Any]:
    """Without fields that are not there."""
    return asdict(record, dict_factory=lambda fields: {name: value for name, value in fields if value is not None})


def _sync_folder(folder: FilePath) -> None:
    """So that the new file itself is found after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
