"""Pages whose numbers are written by commands: each command owns what lies between its two marks."""

from __future__ import annotations

from pathlib import Path


def write_section(page: Path, owner: str, text: str) -> None:
    """Put `text` between the marks of `owner`, a file of benchmarks/, in `page`; at its end if it has none."""
    begin, end = f"<!-- benchmarks/{owner}: begin -->", f"<!-- benchmarks/{owner}: end -->"
    old = page.read_text(encoding="utf-8") if page.is_file() else "# Results\n\nEvery number here was written by a command.\n"
    section = f"{begin}\n{text}\n{end}"
    if begin in old and end in old:
        new = old[: old.index(begin)] + section + old[old.index(end) + len(end) :]
    else:
        new = f"{old.rstrip()}\n\n{section}\n"
    page.write_text(new, encoding="utf-8")
