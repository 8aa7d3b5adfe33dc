"""A built index: immutable, memory-mapped, shared by all threads of a process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from cluster.encoder.base import Encoder, FloatArray
from cluster.index.lexical import Found, LexicalIndex
from cluster.index.manifest import Manifest, read_manifest
from cluster.index.passages import Passages
from policies.errors import ConfigurationError

VECTORS, WORDS = "vectors.faiss", "words"
PROBE = "The quick brown fox jumps over the lazy dog."
_SAME = 0.999  # cosine of two vectors of one text; kernels of other machines differ in the sixth digit


class Index:
    """Passages, their vectors and their words. What a search returns are positions in `passages`."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """`folder` holds what `build_index` wrote; raises OSError or RuntimeError if it does not. Use `open_index`."""
        import faiss

        self.manifest = manifest
        self.passages = Passages(folder / manifest.data)
        self._words = LexicalIndex.open(folder / manifest.data / WORDS)
        flags = faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY
        self._faiss = cast("faiss.IndexFlatIP", faiss.read_index(str(folder / manifest.data / VECTORS), flags))
        shape = (self._faiss.ntotal, self._faiss.d)
        self._vectors: FloatArray = faiss.rev_swig_ptr(self._faiss.get_xb(), shape[0] * shape[1]).reshape(shape)
        self._positions = {passage.passage_id: position for position, passage in enumerate(self.passages)}

    def __len__(self) -> int:
        return len(self.passages)

    def lexical(self, question: str, k: int) -> Found:
        """At most `k` passages by BM25; only such as share a word with `question`."""
        return self._words.search(question, k)

    def nearest(self, vector: FloatArray, k: int) -> Found:
        """The `k` passages nearest to `vector`, shape (dimension,), by cosine; exact."""
        scores, positions = self._faiss.search(vector[None], min(k, len(self)))
        return list(zip(positions[0].tolist(), scores[0].tolist(), strict=True))

    def vectors(self, passage_ids: Sequence[str]) -> FloatArray:
        """The unit vectors of passages, shape (passages, dimension). Raises KeyError for a passage that is not in the index."""
        return np.asarray(self._vectors[[self._positions[name] for name in passage_ids]])

    def all_vectors(self) -> FloatArray:
        """Read-only view of all vectors, shape (passages, dimension), valid as long as the index."""
        return self._vectors


def open_index(folder: Path, encoder: Encoder | None = None) -> Index:
    """Open the index in `folder`.

    Raises ConfigurationError if it is missing, damaged, of another version, or built with another encoder than `encoder`.
    """
    manifest = read_manifest(folder)
    if encoder is not None and not built_with(manifest, encoder):
        raise ConfigurationError(
            f"The index in {folder} was built with the encoder {manifest.encoder!r}, which is not what stages.encoder "
            f"{encoder.name!r} is now; run `isthmus index` to rebuild it."
        )
    try:
        return Index(folder, manifest)
    except (OSError, EOFError, RuntimeError, ValueError) as error:
        raise ConfigurationError(f"The index in {folder} is damaged; run `isthmus index` to rebuild it.") from error


def built_with(manifest: Manifest, encoder: Encoder) -> bool:
    """Whether `encoder` gives the vectors that the index holds."""
    probe = np.asarray(manifest.probe, dtype=np.float32)
    return len(probe) == encoder.dimension and float(probe @ encoder.encode_one(PROBE)) > _SAME
