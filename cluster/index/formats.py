"""Reading one file of each kind into sections. A reader raises `Unreadable` with the reason if the file is broken."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any

from cluster.index.chunks import Section

_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$")
_FENCE = re.compile(r"^\s*(```|~~~)")
_HTML_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_HTML_INLINE = frozenset(
    ("a", "abbr", "b", "code", "em", "i", "kbd", "mark", "q", "s", "small", "span", "strong", "sub", "sup", "u")
)
_HTML_UNREAD = ("script", "style", "noscript", "template", "nav", "head")


class Unreadable(Exception):
    """A file is broken; the message says where and why."""


def read_text(source: str, data: bytes) -> Iterator[Section]:
    """Plain text is one section, named after its file."""
    yield Section(source, _stem(source), _decode(data))


def read_markdown(source: str, data: bytes) -> Iterator[Section]:
    """One section under each heading, titled with the path of headings."""
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    fenced = False
    for line in _decode(data).split("\n"):
        fenced ^= bool(_FENCE.match(line))
        heading = None if fenced else _HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        yield from _under(source, path, "\n".join(lines))
        path, lines = _deeper(path, len(heading[1]), heading[2]), []
    yield from _under(source, path, "\n".join(lines))


def read_html(source: str, data: bytes) -> Iterator[Section]:
    """As markdown; what is not read by people (scripts, styles, navigation) is left out."""
    from bs4 import BeautifulSoup
    from bs4.element import NavigableString, Tag

    soup = BeautifulSoup(data, "html.parser")
    name = soup.title.get_text(" ", strip=True) if soup.title else ""
    for unread in soup.find_all(_HTML_UNREAD):
        unread.decompose()
    path: list[tuple[int, str]] = [(0, name)] if name else []
    text, block = "", None
    for node in soup.descendants:
        if isinstance(node, Tag) and node.name in _HTML_HEADINGS:
            yield from _under(source, path, text)
            path, text = _deeper(path, int(node.name[1]), node.get_text(" ", strip=True)), ""
        elif isinstance(node, Tag) and node.name == "br":
            text += "\n"
        elif type(node) is NavigableString and not node.find_parent(_HTML_HEADINGS):  # its subclasses are comments and such
            before, block = block, next(parent for parent in node.parents if parent.name not in _HTML_INLINE)
            text += ("" if block is before else "\n") + re.sub(r"\s+", " ", node)
    yield from _under(source, path, text)


def read_jsonl(source: str, data: bytes) -> Iterator[Section]:
    """One section for each row `{"id"?, "title"?, "text"}`; other keys are ignored. Rows without an id are named by line."""
    for number, line in enumerate(_decode(data).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"line {number} is not JSON ({error})") from None
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise Unreadable(f'line {number} is not an object with a string "text"')
        names = _name(row, "id", str(number)), _name(row, "title", _stem(source))
        if not all(map(_is_text, (*names, row["text"]))):
            raise Unreadable(f"line {number} holds half of a surrogate pair, which is no character")
        yield Section(f"{source}#{names[0]}", names[1], row["text"])


def read_pdf(source: str, data: bytes) -> Iterator[Section]:
    """One section for each page with text on it; a page that is an image has none."""
    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of every oddity that it mends by itself
    try:
        pages = [page.extract_text() for page in PdfReader(BytesIO(data)).pages]
    except Exception as error:  # pypdf raises whatever the broken bytes led it to
        raise Unreadable(f"it is not a readable pdf ({error or type(error).__name__})") from error
    for number, text in enumerate(pages, start=1):
        yield Section(source, f"{_stem(source)}, page {number}", text)


READERS: Mapping[str, Callable[[str, bytes], Iterator[Section]]] = {
    ".txt": read_text,
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".html": read_html,
    ".htm": read_html,
    ".jsonl": read_jsonl,
    ".pdf": read_pdf,
}
"""The reader of each kind of file, by the ending of its name."""


def _under(source: str, path: list[tuple[int, str]], text: str) -> Iterator[Section]:
    text = re.sub(r"\n\s*\n", "\n\n", text).strip()
    title = " > ".join(name for _, name in path)
    if text:
        yield Section(source, title or _stem(source), text, headed=bool(title))


def _deeper(path: list[tuple[int, str]], level: int, name: str) -> list[tuple[int, str]]:
    return [*((above, title) for above, title in path if above < level), (level, name)]


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"byte {error.start} is not UTF-8; save it in that encoding") from None


def _is_text(text: str) -> bool:
    """JSON may name code points that UTF-8 cannot write."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _name(row: Mapping[str, Any], key: str, default: str) -> str:
    value = row.get(key)
    return default if value is None or value == "" else str(value)


def _stem(source: str) -> str:
    return source.rsplit("/", 1)[-1].rsplit(".", 1)[0]
