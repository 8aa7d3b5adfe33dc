"""What can be told from a question's form, where a sentence vector tells only of its meaning: four numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
TRAITS = 4
_NUMBER, _MARK = re.compile(r"\d+"), re.compile(r"[^\w\s]")
_READ = 16_384  # characters that are looked at: a decision must not wait for megabytes


def shape_of(text: str) -> list[float]:
    """Length, amount of numbers, words per sentence and amount of punctuation, each as a logarithm."""
    text = text[:_READ]
    ends = text.count(".") + text.count("?") + text.count("!") + text.count("\n")
    words = len(text.split()) / (1 + ends)
    counts = (len(text), len(_NUMBER.findall(text)), words, len(_MARK.findall(text)))
    return [math.log1p(count) for count in counts]


def shapes(texts: Sequence[str]) -> FloatArray:
    """`shape_of` each text, shape (texts, TRAITS)."""
    return np.array([shape_of(text) for text in texts], dtype=np.float64).reshape(-1, TRAITS)
