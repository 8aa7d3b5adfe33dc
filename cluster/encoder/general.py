"""Any model that sentence-transformers can load."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np

from cluster.encoder.base import Encoder, FloatArray, empty


class GeneralEncoder(Encoder):
    """A sentence-transformers model on the processor. Importing and loading take seconds."""

    def __init__(self, name: str, place: str) -> None:
        """`place` is a folder or a hub name. Raises OSError or ValueError if it is not a model."""
        from sentence_transformers import SentenceTransformer

        # Its tokenizer changes settings of its own while it works, which two threads must not do at once.
        self._lock = Lock()
        self._model = SentenceTransformer(place, device="cpu")
        super().__init__(name, len(self._model.encode("", show_progress_bar=False)))

    def encode(self, texts: Sequence[str]) -> FloatArray:
        if not texts:
            return empty(self.dimension)
        with self._lock:
            vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.ascontiguousarray(vectors, dtype=np.float32)

    def count(self, texts: Sequence[str]) -> int:
        with self._lock:
            tokens = self._model.tokenizer(list(texts), truncation=True)["input_ids"] if texts else []
        return sum(map(len, tokens))
