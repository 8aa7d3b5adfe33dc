"""Tables for people: at 80 columns, too, every name and number is there in full."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table
from rich.text import Text

_GAP = 2


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of texts below their heads; the first column holds names.

    Left to itself, rich makes the widest columns equally narrow and cuts with an ellipsis what is longer. Here heads are as wide
    as what stands below them, cells are broken at spaces if one line would be too long, and what is missing even then is taken
    from the first column, which is folded.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str | None = None
    styles: Sequence[str] | None = None
    """One for each row."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names, *columns = zip(self.head, *self.rows, strict=True)
        widths = [_longest((*cells, *head.split())) for head, *cells in columns]
        if _longest(names) + sum(_GAP + width for width in widths) > options.max_width:
            widths = [_longest(word for cell in cells for word in cell.split()) for cells in columns]
        columns = [_broken(cells, width) for cells, width in zip(columns, widths, strict=True)]
        heads = (Column(names[0], overflow="fold"), *(Column(cells[0], no_wrap=True) for cells in columns))
        table = Table(
            *heads,
            title=self.title,
            title_justify="left",
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            collapse_padding=True,
        )
        rows = list(zip(names, *columns, strict=True))[1:]
        for row, style in zip(rows, self.styles or [""] * len(rows), strict=True):
            table.add_row(*map(Text, row), style=style)
        yield table


def _longest(texts: Iterable[str]) -> int:
    return max((len(line) for text in texts for line in text.splitlines()), default=0)


def _broken(cells: Sequence[str], width: int) -> tuple[str, ...]:
    return tuple(textwrap.fill(cell, max(width, 1), break_long_words=False, break_on_hyphens=False) for cell in cells)
