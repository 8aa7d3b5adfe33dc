import json
from io import BytesIO

import pytest
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from cluster.index.chunks import Section
from cluster.index.formats import READERS, Unreadable


def read(name: str, text: str | bytes) -> list[Section]:
    data = text.encode() if isinstance(text, str) else text
    return list(READERS["." + name.rsplit(".", 1)[-1]](name, data))


def pdf(*pages: str) -> bytes:
    """A pdf with one line of text on each page."""
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject(key): NameObject(value)
            for key, value in (("/Type", "/Font"), ("/Subtype", "/Type1"), ("/BaseFont", "/Helvetica"))
        }
    )
    for text in pages:
        page = writer.add_blank_page(300, 300)
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})})
    data = BytesIO()
    writer.write(data)
    return data.getvalue()


def test_text_is_named_after_its_file() -> None:
    assert read("a/rules.txt", "\ufeffOne.\n\nTwo.") == [Section("a/rules.txt", "rules", "One.\n\nTwo.")]


def test_markdown_keeps_the_path_of_headings() -> None:
    text = "before\n# Guide #\nintro\n## Pairing\nhold\n### Twice\nagain\n## Care\nwipe\n```\n# a comment\n```\n"
    assert [(section.title, section.text, section.headed) for section in read("lamp.md", text)] == [
        ("lamp", "before", False),
        ("Guide", "intro", True),
        ("Guide > Pairing", "hold", True),
        ("Guide > Pairing > Twice", "again", True),
        ("Guide > Care", "wipe\n```\n# a comment\n```", True),
    ]


def test_html_keeps_headings_and_blocks_and_leaves_out_what_people_do_not_read() -> None:
    text = (
        "<html><head><title>Oven</title><style>p {}</style></head><body><nav>Home</nav><!-- note -->"
        "<h1>The <b>first</b> part</h1><div>Wipe <i>it</i>\n gently.<p>Then <a href=x>dry</a> it.</p>Done.</div>"
        "<ul><li>one<li>two</ul><h2>Care</h2>a<br>b<script>x()</script></body></html>"
    )
    assert [(section.title, section.text) for section in read("oven.html", text)] == [
        ("Oven > The first part", "Wipe it gently.\nThen dry it.\nDone.\none\ntwo"),
        ("Oven > The first part > Care", "a\nb"),
    ]


def test_rows_of_jsonl_are_named_by_id_or_line() -> None:
    rows = '{"id": 7, "title": "Seven", "text": "a\u2028b", "more": 1}\n\n{"text": "c"}\r\n'
    assert read("codes.jsonl", rows) == [Section("codes.jsonl#7", "Seven", "a\u2028b"), Section("codes.jsonl#3", "codes", "c")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{broken", "line 2 is not JSON"),
        ("[1]", 'line 2 is not an object with a string "text"'),
        ('{"title": "x"}', 'line 2 is not an object with a string "text"'),
        ('{"text": 5}', 'line 2 is not an object with a string "text"'),
        ("[" * 100_000, "line 2 is not JSON"),
        ('{"text": "a \\ud800 b"}', "line 2 holds half of a surrogate pair"),
        ('{"id": "\\ud800", "text": "a"}', "line 2 holds half of a surrogate pair"),
    ],
)
def test_a_broken_line_is_named(line: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read("codes.jsonl", json.dumps({"text": "fine"}) + "\n" + line)


def test_pages_of_a_pdf() -> None:
    assert read("lamp.pdf", pdf("Hold the button.", "", "Wipe it.")) == [
        Section("lamp.pdf", "lamp, page 1", "Hold the button."),
        Section("lamp.pdf", "lamp, page 2", ""),
        Section("lamp.pdf", "lamp, page 3", "Wipe it."),
    ]


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7 broken", b"hello", pdf("cut")[:200]])
def test_a_broken_pdf_says_so(data: bytes) -> None:
    with pytest.raises(Unreadable, match="not a readable pdf"):
        read("lamp.pdf", data)


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.jsonl"])
def test_text_that_is_not_utf_8_says_so(name: str) -> None:
    with pytest.raises(Unreadable, match="byte 2 is not UTF-8"):
        read(name, b"ab\xff")
