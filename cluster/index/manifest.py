"""What an index says about itself: `manifest.json`, the one file whose replacement makes a new index the current one."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from cluster.config.base import Section as Frozen
from policies.errors import ConfigurationError

SCHEMA = 1
"""Raise it when the files of an index change their form."""
_NAME = "manifest.json"


class FileEntry(Frozen):
    """One document in the index."""

    sha256: str
    first: int
    """Position of its first passage; its passages follow each other."""
    passages: int


class Manifest(Frozen):
    """Names the folder `data` beside it that holds the passages, vectors and words."""

    schema_version: int = SCHEMA
    data: str
    encoder: str
    probe: tuple[float, ...]
    """The encoder's vector of a fixed sentence: tells two encoders apart whatever they are called."""
    chunk_words: int
    files: dict[str, FileEntry]


def read_manifest(index: Path) -> Manifest:
    """Raises ConfigurationError if there is no index in the folder `index`, or one of another version."""
    try:
        text = (index / _NAME).read_text(encoding="utf-8")
    except OSError:
        raise ConfigurationError(f"There is no index in {index}; run `isthmus index` to build it.") from None
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError:
        manifest = None
    if manifest is None or manifest.schema_version != SCHEMA:
        raise ConfigurationError(
            f"The index in {index} was built by another version of Isthmus; run `isthmus index` to rebuild it."
        )
    return manifest


def write_manifest(index: Path, manifest: Manifest) -> None:
    """Replace the manifest at once: a reader sees the old one or the new one."""
    fresh = index / f"{_NAME}.new"
    with fresh.open("w", encoding="utf-8") as file:
        file.write(manifest.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, index / _NAME)
