"""What can be told from a question's form, where a sentence vector tells only of its meaning: four numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
TRAITS = 4
_NUMBER, _MARK, _END = re.compile(r"\d+"), re.compile(r"[^\w\s]"), re.compile(r"[.?!\n]")
_ENDS = b".?!\n"
_ASCII = "".join(map(chr, range(128)))
_MARKS = "".join(_MARK.findall(_ASCII)).encode()
_DIGITS = bytes(byte if chr(byte).isdigit() else ord(" ") for byte in range(128)).ljust(256)
_READ = 16_384  # characters that are looked at: a decision must not wait for megabytes


def shape_of(text: str) -> list[float]:
    """Length, amount of numbers, words per sentence and amount of punctuation, each as a logarithm."""
    text = text[:_READ]
    numbers, marks, ends = _counted(text)
    words = len(text.split()) / (1 + ends)
    return [math.log1p(len(text)), math.log1p(numbers), math.log1p(words), math.log1p(marks)]


def _counted(text: str) -> tuple[int, int, int]:
    """Numbers, marks of punctuation and ends of sentences. What is ASCII is counted as bytes, in a fifth of the time."""
    if not text.isascii():
        return len(_NUMBER.findall(text)), len(_MARK.findall(text)), len(_END.findall(text))
    plain = text.encode()
    length = len(plain)
    numbers, marks = len(plain.translate(_DIGITS).split()), length - len(plain.translate(None, _MARKS))
    return numbers, marks, length - len(plain.translate(None, _ENDS))


def shapes(texts: Sequence[str]) -> FloatArray:
    """`shape_of` each text, shape (texts, TRAITS)."""
    return np.array([shape_of(text) for text in texts], dtype=np.float64).reshape(-1, TRAITS)
