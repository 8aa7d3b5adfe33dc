"""Sections of docs/results.md: each benchmark writes its own between two marks and leaves the others alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

HEAD = "# Results\n\nEvery number here was written by a command.\n"


def write_section(page: Path, name: str, section: str) -> None:
    """Put `section` between the marks of `benchmarks/NAME.py`, or at the end of `page` when they are not there yet."""
    begin, end = f"<!-- benchmarks/{name}.py: begin -->", f"<!-- benchmarks/{name}.py: end -->"
    text = page.read_text(encoding="utf-8") if page.is_file() else HEAD
    section = f"{begin}\n{section}\n{end}"
    if begin in text and end in text:
        text = text[: text.index(begin)] + section + text[text.index(end) + len(end) :]
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    page.write_text(text, encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a Markdown table."""
    return [line(*head), line(*["---"] * len(head)), *(line(*row) for row in rows)]


def line(*cells: object) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(map(str, cells)) + " |"
