"""The word index: BM25 over stemmed words (Robertson & Zaragoza, 2009; computed eagerly as in BM25S, arXiv 2407.03618)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np
import numpy.typing as npt

_WORD = re.compile(r"\w+")
# Saturation and length weight as in Anserini, for short passages; with the stop words they raised recall@5 of BM25 alone from
# .78 to .88 on a TV's manual and from .80 to .81 on Wikipedia passages (benchmarks/retrieval.py).
_K1, _B = 0.9, 0.4
Found = list[tuple[int, float]]
"""Positions in the index with their scores, best first."""


class LexicalIndex:
    """Scores every passage by the words that it shares with a question. Thread-safe, memory-mapped when opened."""

    def __init__(self, bm25: object) -> None:
        self._bm25: Any = bm25
        self._words = Words()

    @classmethod
    def build(cls, texts: Sequence[str]) -> Self:
        """Index `texts`."""
        from bm25s import BM25

        words = Words()
        bm25 = BM25(k1=_K1, b=_B, method="lucene")
        # A text without words gets the empty one, which no question has: bm25s cannot index nothing.
        bm25.index([words.of(text) or [""] for text in texts], show_progress=False)
        return cls(bm25)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what `save` wrote."""
        from bm25s import BM25

        return cls(BM25.load(folder, mmap=True, show_progress=False))

    def save(self, folder: Path) -> None:
        """Write the index to a new `folder`."""
        self._bm25.save(folder, show_progress=False)

    def search(self, question: str, k: int) -> Found:
        """Positions and scores of at most `k` texts that share a word with `question`, best first."""
        known = self._bm25.get_tokens_ids(self._words.of(question))
        if not known:
            return []
        return top(self._bm25.get_scores_from_ids(known), k)


class Words:
    """The words of a text that BM25 counts: lower case, no stop words, English stems (Snowball)."""

    def __init__(self) -> None:
        from bm25s.stopwords import STOPWORDS_EN_PLUS
        from Stemmer import Stemmer

        self._stop = frozenset(STOPWORDS_EN_PLUS)  # the larger list: it has the words that only make a question
        self._stemmer = Stemmer("english")
        self._lock = Lock()  # a Stemmer keeps a cache that two threads must not touch at once

    def of(self, text: str) -> list[str]:
        """In the order of the text, with repetitions."""
        words = [word for word in _WORD.findall(text.lower()) if word not in self._stop]
        with self._lock:
            stems: list[str] = self._stemmer.stemWords(words)
        return stems


def top(scores: npt.NDArray[np.float32], k: int) -> Found:
    """The `k` best positive `scores` with their positions; equal ones in the order of the index."""
    k = min(k, len(scores))
    best = np.argpartition(-scores, k - 1)[:k] if k else np.empty(0, dtype=np.intp)
    best = best[np.lexsort((best, -scores[best]))]
    return [(int(position), float(scores[position])) for position in best if scores[position] > 0]
