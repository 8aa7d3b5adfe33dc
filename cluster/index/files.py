"""Finding the documents in a folder, and reading them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cluster.index.chunks import Chunk, chunks
from cluster.index.formats import READERS, Unreadable
from policies.errors import ConfigurationError

KINDS = "txt, md, html, jsonl or pdf"


@dataclass(frozen=True, slots=True)
class File:
    """A document as bytes, with the hash of its content."""

    source: str
    data: bytes
    sha256: str


def find(folder: Path, index: Path) -> list[Path]:
    """The documents in `folder` and below, in order; hidden names and the index itself are passed over.

    Raises ConfigurationError if the folder is missing or holds no document.
    """
    if not os.path.isdir(folder):
        raise ConfigurationError(
            f"The documents folder {folder} does not exist; create it or correct documents.folder, then run `isthmus index`."
        )
    found = sorted(_walk(folder, index.resolve()))
    if not found:
        raise ConfigurationError(
            f"The documents folder {folder} has no {KINDS} file; put documents there, then run `isthmus index`."
        )
    return found


def source_of(folder: Path, file: Path) -> str:
    """The file relative to the folder; bytes of its name that are no text become question marks."""
    return file.relative_to(folder).as_posix().encode("utf-8", "replace").decode()


def load(folder: Path, file: Path) -> File:
    """Raises Unreadable if the file cannot be read."""
    source = source_of(folder, file)
    if source != file.relative_to(folder).as_posix():
        raise Unreadable("its name is not UTF-8; rename it")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Unreadable(f"it cannot be opened ({error.strerror})") from error
    return File(source, data, sha256(data).hexdigest())


def read(file: File, words: int) -> list[Chunk]:
    """The passages of a file, at most `words` words each. Raises Unreadable with the place of the first mistake."""
    made: list[Chunk] = []
    numbered: Counter[str] = Counter()
    for section in READERS[Path(file.source).suffix.lower()](file.source, file.data):
        cut = list(chunks(section, numbered[section.source], words))
        numbered[section.source] += len(cut)
        made += cut
    return made


def _walk(folder: Path, index: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and Path(place, name).resolve() != index]
        for name in names:
            file = Path(place, name)
            if not name.startswith(".") and file.suffix.lower() in READERS and file.is_file():
                yield file
