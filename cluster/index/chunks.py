"""Cutting documents into passages that a small model can read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

# The end of a paragraph or of a sentence: the best places to cut.
_BREAK = re.compile(r"\n\s*\n|(?<=[.!?])\s+|(?<=\u3002)|\n")
# A word is a run of letters, or one sign of a script without spaces; what is far longer than a word counts as several.
_SIGN = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_SIGN}]|[^\s{_SIGN}]{{1,40}}")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document that belongs together, as a reader of its format found it."""

    source: str
    """The file relative to the documents folder, with `#ID` for a row of a jsonl file."""
    title: str
    text: str
    headed: bool = False
    """Whether the title is the heading over the text, so that it is read with it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: what is searched, and read by a model. `passage_id` is unique in an index."""

    passage_id: str
    source: str
    title: str
    text: str

    @property
    def searchable(self) -> str:
        """The text with its title before it, unless it begins with it."""
        return self.text if self.text.startswith(self.title) else f"{self.title}\n{self.text}"


def chunks(section: Section, first: int, words: int) -> Iterator[Chunk]:
    """Passages of at most `words` words (a heading over them not counted), numbered from `first`; nothing is left out."""
    for number, text in enumerate(cut(section.text, words), start=first):
        headed = section.headed and not text.startswith(section.title)
        whole = f"{section.title}\n{text}" if headed else text
        yield Chunk(f"{section.source}:{number}", section.source, section.title, whole)


def cut(text: str, words: int) -> Iterator[str]:
    """`text` in pieces of at most `words` words and about equal length, cut at the ends of sentences where possible."""
    total = len(_WORD.findall(text))
    if total <= words:
        if total:
            yield text.strip()
        return
    aim = math.ceil(total / math.ceil(total / words))
    begin, held = 0, 0
    for start, end, size in _pieces(text, words):
        if held and (held >= aim or held + size > words):
            yield text[begin:start].strip()
            begin, held = start, 0
        held += size
        last = end
    yield text[begin:last].strip()


def _pieces(text: str, words: int) -> Iterator[tuple[int, int, int]]:
    """Begin, end and number of words of each sentence; one that is longer than `words` comes in several pieces."""
    begin = 0
    for end in (*(match.end() for match in _BREAK.finditer(text)), len(text)):
        found = list(_WORD.finditer(text, begin, end))
        for first in range(0, len(found), words):
            piece = found[first : first + words]
            yield piece[0].start(), piece[-1].end(), len(piece)
        begin = end
