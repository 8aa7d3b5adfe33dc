"""Building an index: only what changed is read and embedded, and the new one takes the old one's place at once.

    index/manifest.json     names the current data folder; replacing this file is the moment of change
    index/<data>/           passages.jsonl, passages.npy, vectors.faiss, words/

A build that dies at any point leaves the old manifest and the old data, and some waste that the next build removes.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

import numpy as np

from cluster.config.serving import Documents
from cluster.encoder.base import Encoder, FloatArray
from cluster.index.chunks import Chunk
from cluster.index.files import find, load, read, source_of
from cluster.index.formats import Unreadable
from cluster.index.index import PROBE, VECTORS, WORDS, Index, open_index
from cluster.index.lexical import LexicalIndex
from cluster.index.manifest import FileEntry, Manifest, write_manifest
from cluster.index.passages import write_passages
from policies.errors import ConfigurationError

Phase = Literal["reading", "embedding"]
OnProgress = Callable[[Phase, int, int], None]
"""Called with the phase, what is done and what there is to do: files while reading, passages while embedding."""
_EMBED_AT_ONCE = 64  # passages between two calls of on_progress


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document that is not in the index, and why."""

    source: str
    why: str


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a build did."""

    files: int
    passages: int
    embedded: int
    """Passages whose vector was computed; the others were taken from the index before."""
    removed: int
    """Files of the index before that are gone or can no longer be read."""
    skipped: tuple[Skipped, ...]
    seconds: float


def build_index(documents: Documents, encoder: Encoder, on_progress: OnProgress = lambda *_: None) -> IndexReport:
    """Bring the index of `documents` up to date; a broken file is left out and named in the report.

    Raises ConfigurationError if the folder is missing or has no readable document, or if another build is running.
    An exception from `on_progress` stops the build and leaves the index as it was.
    """
    started = time.perf_counter()
    files = find(documents.folder, documents.index)
    with _alone(documents.index):
        before = _before(documents, encoder)
        work = _Work(documents, before)
        for number, file in enumerate(files, start=1):
            work.take(file)
            on_progress("reading", number, len(files))
        if not work.chunks:
            raise ConfigurationError(_nothing(documents.folder, work.skipped))
        vectors, embedded = _vectors(work.chunks, before, encoder, on_progress)
        if before is None or work.files != before.manifest.files:
            _publish(documents, encoder, work, vectors)
    gone = set(before.manifest.files) - set(work.files) if before else set()
    return IndexReport(len(work.files), len(work.chunks), embedded, len(gone), tuple(work.skipped), time.perf_counter() - started)


class _Work:
    """The passages of the index to be, file by file."""

    def __init__(self, documents: Documents, before: Index | None) -> None:
        self._documents = documents
        self._before = before
        self.chunks: list[Chunk] = []
        self.files: dict[str, FileEntry] = {}
        self.skipped: list[Skipped] = []

    def take(self, path: Path) -> None:
        source = source_of(self._documents.folder, path)
        try:
            file = load(self._documents.folder, path)
            made = self._known(source, file.sha256) or read(file, self._documents.chunk_words)
        except Unreadable as error:
            self.skipped.append(Skipped(source, str(error)))
            return
        if not made:
            self.skipped.append(Skipped(source, "it has no text"))
            return
        self.files[source] = FileEntry(sha256=file.sha256, first=len(self.chunks), passages=len(made))
        self.chunks += made

    def _known(self, source: str, sha256: str) -> list[Chunk]:
        entry = self._before.manifest.files.get(source) if self._before else None
        if self._before is None or entry is None or entry.sha256 != sha256:
            return []
        return self._before.passages[entry.first : entry.first + entry.passages]


def _before(documents: Documents, encoder: Encoder) -> Index | None:
    """The index to start from; None if there is none, or none that this build could use."""
    try:
        index = open_index(documents.index, encoder)
    except ConfigurationError:
        return None
    return index if index.manifest.chunk_words == documents.chunk_words else None


def _vectors(chunks: Sequence[Chunk], before: Index | None, encoder: Encoder, on_progress: OnProgress) -> tuple[FloatArray, int]:
    """A vector for each passage: the one it had, if its words are the same. Also how many had to be computed."""
    had = {chunk.searchable: position for position, chunk in enumerate(before.passages)} if before else {}
    vectors = np.empty((len(chunks), encoder.dimension), dtype=np.float32)
    new: list[int] = []
    for row, chunk in enumerate(chunks):
        position = had.get(chunk.searchable)
        if before is None or position is None:
            new.append(row)
        else:
            vectors[row] = before.all_vectors()[position]
    for first in range(0, len(new), _EMBED_AT_ONCE):
        rows = new[first : first + _EMBED_AT_ONCE]
        vectors[rows] = encoder.encode([chunks[row].searchable for row in rows])
        on_progress("embedding", first + len(rows), len(new))
    return vectors, len(new)


def _publish(documents: Documents, encoder: Encoder, work: _Work, vectors: FloatArray) -> None:
    """Write the data beside the old, make it the current, then remove the old."""
    import faiss

    data = documents.index / uuid4().hex[:12]
    data.mkdir()
    write_passages(data, work.chunks)
    LexicalIndex.build([chunk.searchable for chunk in work.chunks]).save(data / WORDS)
    flat = faiss.IndexFlatIP(encoder.dimension)
    flat.add(vectors)
    faiss.write_index(flat, str(data / VECTORS))
    manifest = Manifest(
        data=data.name,
        encoder=encoder.name,
        probe=tuple(encoder.encode_one(PROBE).tolist()),
        chunk_words=documents.chunk_words,
        files=work.files,
    )
    write_manifest(documents.index, manifest)
    for waste in documents.index.iterdir():
        if waste.is_dir() and waste != data:
            shutil.rmtree(waste)  # who has it open keeps its files until they are closed


@contextmanager
def _alone(index: Path) -> Iterator[None]:
    """Hold the lock of the folder; the system frees it when the process ends, however that happens."""
    try:
        index.mkdir(parents=True, exist_ok=True)
        lock = (index / ".lock").open("w")
    except OSError as error:
        raise ConfigurationError(
            f"The index folder {index} cannot be written ({error.strerror}); correct documents.index and run `isthmus index`."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"Another `isthmus index` is writing {index}; wait until it has ended.") from None
        yield


def _nothing(folder: Path, skipped: Sequence[Skipped]) -> str:
    first = skipped[0]
    return (
        f"None of the {len(skipped)} documents in {folder} can be read, beginning with {first.source}: {first.why}; "
        "mend them and run `isthmus index` again."
    )
