"""Fewer words for the model to read."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cluster.encoder import Encoder
from deployments.messages import Passage
from deployments.refine.base import Refiner

_KEPT = 0.5  # share of all sentences
_END = re.compile(r"(?<=[.!?])\s+|\n+|$")


class Compress(Refiner):
    """Keeps the sentences that are most like the question, in their order: half of all, and of each passage at least one."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def refine(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        shown = [(passage, sentences(passage.text)) for passage in passages[:k]]
        everything = [sentence for _, parts in shown for sentence in parts]
        if not everything:
            return [passage for passage, _ in shown]
        likeness = self._encoder.encode(everything) @ self._encoder.encode_one(question)
        least = np.sort(likeness)[-math.ceil(_KEPT * len(likeness))]
        shortened: list[Passage] = []
        for passage, parts in shown:
            own, likeness = likeness[: len(parts)], likeness[len(parts) :]
            kept = [part for part, like in zip(parts, own, strict=True) if like >= min(least, own.max())]
            shortened.append(replace(passage, text="".join(kept).rstrip()))
        return shortened


def sentences(text: str) -> list[str]:
    """The sentences and lines of `text`, each with the space or line end that follows it."""
    ends = [match.end() for match in _END.finditer(text)]
    parts = (text[begin:end] for begin, end in zip([0, *ends], ends, strict=False))
    return [part for part in parts if not part.isspace() and part]
