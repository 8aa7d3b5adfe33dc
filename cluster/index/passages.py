"""The texts of an index on disk: one JSON line each, read where needed."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import overload

import numpy as np

from cluster.index.chunks import Chunk

_TEXTS, _ENDS = "passages.jsonl", "passages.npy"


class Passages(Sequence[Chunk]):
    """The passages by position, memory-mapped. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._ends = np.load(folder / _ENDS, mmap_mode="r")
        with (folder / _TEXTS).open("rb") as file:
            self._texts = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, position: int) -> Chunk: ...
    @overload
    def __getitem__(self, position: slice) -> list[Chunk]: ...
    def __getitem__(self, position: int | slice) -> Chunk | list[Chunk]:
        if isinstance(position, slice):
            return [self[i] for i in range(*position.indices(len(self)))]
        begin = int(self._ends[position - 1]) if position else 0
        return Chunk(**json.loads(self._texts[begin : int(self._ends[position])]))


def write_passages(folder: Path, passages: Iterable[Chunk]) -> None:
    """Write what `Passages` reads into an existing `folder`."""
    ends: list[int] = []
    with (folder / _TEXTS).open("wb") as file:
        for passage in passages:
            file.write(json.dumps(asdict(passage), ensure_ascii=False).encode() + b"\n")
            ends.append(file.tell())
    np.save(folder / _ENDS, np.asarray(ends, dtype=np.int64))
