"""A second look by a model that reads question and passage together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

from deployments.messages import Passage
from deployments.refine.base import Refiner
from policies.errors import ConfigurationError


class Rerank(Refiner):
    """Orders passages by a cross-encoder's score (Nogueira & Cho, arXiv 1901.04085)."""

    widen = 4

    def __init__(self, model: str | None) -> None:
        """`model` is a folder or a hub name. Raises ConfigurationError if there is none or it cannot be loaded."""
        if model is None:
            raise ConfigurationError("stages.refine has 'rerank', but stages.reranker is empty; name a cross-encoder there.")
        from sentence_transformers import CrossEncoder

        try:
            self._model = CrossEncoder(model, device="cpu")
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(
                f"stages.reranker: {model!r} is not a cross-encoder ({_first_line(error)}); give a folder or a hub name."
            ) from error
        # Its tokenizer changes settings of its own while it works, which two threads must not do at once.
        self._lock = Lock()

    def refine(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        if not passages:
            return []
        with self._lock:
            scores = self._model.predict([(question, passage.text) for passage in passages], show_progress_bar=False)
        scored = [replace(passage, score=float(score)) for passage, score in zip(passages, scores, strict=True)]
        return sorted(scored, key=lambda passage: -passage.score)[:k]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
