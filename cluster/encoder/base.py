"""The contract of a sentence encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
_REMEMBERED = 512  # questions; selection, retrieval and refinement of one request all need the same vector


class Encoder(ABC):
    """Turns texts into unit vectors whose inner product is their likeness. Thread-safe."""

    def __init__(self, name: str, dimension: int) -> None:
        self.name = name
        self.dimension = dimension
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._encode_alone)

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of length 1, shape (texts, dimension). Longer texts than the model reads are cut at their end."""

    @abstractmethod
    def count(self, texts: Sequence[str]) -> int:
        """Tokens of `texts` together that `encode` reads."""

    def encode_one(self, text: str) -> FloatArray:
        """The vector of `text`, shape (dimension,), read-only; remembered for the latest few hundred texts."""
        vector: FloatArray = self._remembered(text)
        return vector

    def _encode_alone(self, text: str) -> FloatArray:
        vector: FloatArray = self.encode([text])[0]
        vector.flags.writeable = False
        return vector


def empty(dimension: int) -> FloatArray:
    """What `encode` returns for no texts."""
    return np.empty((0, dimension), dtype=np.float32)
