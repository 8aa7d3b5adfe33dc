import fcntl
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from cluster.config import Documents
from cluster.encoder import Encoder
from cluster.index import IndexReport, Phase, build_index, open_index, read_manifest
from policies.errors import ConfigurationError


class Killed(Exception):
    """Stands for a signal in the middle of a build."""


def test_every_kind_of_document_is_found(documents: Documents, encoder: Encoder) -> None:
    report = build_index(documents, encoder)
    index = open_index(documents.index, encoder)
    assert (report.files, report.passages, report.embedded, report.removed, report.skipped) == (4, 6, 6, 0, ())
    assert [(p.source, p.title) for p in index.passages] == [
        ("codes.jsonl#e4", "Error E4"),
        ("codes.jsonl#e5", "Error E5"),
        ("lamp.md", "Lamp"),
        ("lamp.md", "Lamp > Pairing"),
        ("manuals/oven.html", "Oven > Cleaning"),
        ("rules.txt", "rules"),
    ]
    assert len({passage.passage_id for passage in index.passages}) == len(index) == 6


def test_the_index_finds_words_and_vectors(documents: Documents, encoder: Encoder) -> None:
    build_index(documents, encoder)
    index = open_index(documents.index, encoder)
    (best, score), *_ = index.lexical("which filters are blocked?", 3)  # found by stems
    assert index.passages[best].source == "codes.jsonl#e4"
    assert score > 0
    for position, passage in enumerate(index.passages):
        vector = index.vectors([passage.passage_id])[0]
        np.testing.assert_allclose(vector, encoder.encode_one(passage.searchable), atol=1e-6)
        assert index.nearest(vector, 99)[0] == (position, pytest.approx(1.0, abs=1e-5))
    assert len(index.nearest(encoder.encode_one(""), 99)) == len(index)


def test_a_name_that_is_no_text_is_left_out_and_told(documents: Documents, encoder: Encoder) -> None:
    Path(os.fsdecode(os.fsencode(documents.folder) + b"/caf\xe9.txt")).write_text("Coffee.")
    report = build_index(documents, encoder)
    assert report.files == 4
    assert [(skipped.source, skipped.why) for skipped in report.skipped] == [("caf?.txt", "its name is not UTF-8; rename it")]


def test_only_what_changed_is_embedded_again(documents: Documents, encoder: Encoder) -> None:
    build_index(documents, encoder)
    (documents.folder / "lamp.md").write_text("# Lamp\nThe lamp hangs in the hall.\n\n## Pairing\nPress twice.\n")
    (documents.folder / "new.txt").write_text("A new document.")
    (documents.folder / "rules.txt").unlink()
    encoder.encoded.clear()  # type: ignore[attr-defined]
    report = build_index(documents, encoder)
    assert (report.files, report.passages, report.embedded, report.removed) == (4, 6, 2, 1)
    assert encoder.encoded == ["Lamp > Pairing\nPress twice.", "new\nA new document."]  # type: ignore[attr-defined]
    index = open_index(documents.index, encoder)
    assert {passage.source for passage in index.passages}.isdisjoint({"rules.txt"})
    for passage in index.passages:
        np.testing.assert_allclose(index.vectors([passage.passage_id])[0], encoder.encode_one(passage.searchable), atol=1e-6)


def test_a_second_run_without_a_change_writes_nothing(documents: Documents, encoder: Encoder) -> None:
    build_index(documents, encoder)
    before = read_manifest(documents.index)
    assert build_index(documents, encoder).embedded == 0
    assert read_manifest(documents.index) == before


def test_another_length_of_passages_rebuilds(documents: Documents, encoder: Encoder) -> None:
    build_index(documents, encoder)
    shorter = documents.model_copy(update={"chunk_words": 5})
    assert build_index(shorter, encoder).passages > 6
    assert open_index(documents.index, encoder).manifest.chunk_words == 5


@pytest.mark.parametrize("phase", ["reading", "embedding"])
def test_a_build_that_is_killed_leaves_the_index_as_it_was(documents: Documents, encoder: Encoder, phase: Phase) -> None:
    def kill(now: Phase, done: int, total: int) -> None:
        assert 0 < done <= total
        if now == phase:
            raise Killed

    build_index(documents, encoder)
    opened = open_index(documents.index, encoder)
    texts = [passage.text for passage in opened.passages]
    (documents.folder / "rules.txt").write_text("Heating is never lowered.")
    with pytest.raises(Killed):
        build_index(documents, encoder, kill)
    assert [passage.text for passage in open_index(documents.index, encoder).passages] == texts
    assert build_index(documents, encoder).embedded == 1
    assert "Heating is never lowered." in [passage.text for passage in open_index(documents.index, encoder).passages]
    assert [passage.text for passage in opened.passages] == texts  # who has it open keeps reading the old one
    assert opened.nearest(encoder.encode_one(texts[0]), 1)


def test_what_a_killed_build_left_behind_is_removed(documents: Documents, encoder: Encoder) -> None:
    (documents.index / "0123456789ab").mkdir(parents=True)
    build_index(documents, encoder)
    manifest = read_manifest(documents.index)
    assert [place.name for place in documents.index.iterdir() if place.is_dir()] == [manifest.data]


def test_hidden_names_other_kinds_and_the_index_itself_are_passed_over(documents: Documents, encoder: Encoder) -> None:
    inside = documents.model_copy(update={"index": documents.folder / "index"})
    (documents.folder / ".git").mkdir()
    (documents.folder / ".git/config.txt").write_text("hidden")
    (documents.folder / ".draft.md").write_text("hidden")
    (documents.folder / "photo.jpg").write_bytes(b"\xff")
    build_index(inside, encoder)
    assert build_index(inside, encoder).files == 4


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("codes.jsonl", b'{"text": "fine"}\n{"text": ', "line 2 is not JSON"),
        ("lamp.pdf", b"%PDF-1.7", "not a readable pdf"),
        ("old.txt", "Grüße".encode("latin-1"), "byte 2 is not UTF-8"),
        ("empty.md", b" \n", "it has no text"),
    ],
)
def test_a_broken_file_is_left_out_and_named(documents: Documents, encoder: Encoder, name: str, data: bytes, why: str) -> None:
    (documents.folder / name).write_bytes(data)
    report = build_index(documents, encoder)
    (skipped,) = report.skipped
    assert skipped.source == name
    assert why in skipped.why
    assert name not in read_manifest(documents.index).files


def test_a_file_that_broke_since_is_no_longer_in_the_index(documents: Documents, encoder: Encoder) -> None:
    build_index(documents, encoder)
    (documents.folder / "codes.jsonl").write_text("{")
    report = build_index(documents, encoder)
    assert (report.files, report.removed) == (3, 1)


def refused(documents: Documents, encoder: Encoder) -> str:
    with pytest.raises(ConfigurationError) as error:
        build_index(documents, encoder)
    return one_sentence(error.value)


def one_sentence(error: ConfigurationError) -> str:
    text = str(error)
    assert "\n" not in text
    assert text.endswith(".")
    assert "`isthmus index`" in text
    return text


def test_no_documents_folder(documents: Documents, encoder: Encoder) -> None:
    shutil.rmtree(documents.folder)
    assert "does not exist" in refused(documents, encoder)


def test_an_empty_documents_folder(documents: Documents, encoder: Encoder) -> None:
    shutil.rmtree(documents.folder)
    documents.folder.mkdir()
    assert "has no txt, md, html, jsonl or pdf file" in refused(documents, encoder)


def test_no_readable_document_leaves_the_index_as_it_was(documents: Documents, encoder: Encoder) -> None:
    build_index(documents, encoder)
    shutil.rmtree(documents.folder)
    documents.folder.mkdir()
    (documents.folder / "a.jsonl").write_text("{")
    (documents.folder / "b.txt").write_text("")
    assert "None of the 2 documents" in (text := refused(documents, encoder))
    assert "a.jsonl: line 1 is not JSON" in text
    assert len(open_index(documents.index, encoder)) == 6


def test_an_index_folder_that_cannot_be_written(documents: Documents, encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    beneath = documents.model_copy(update={"index": tmp_path / "file" / "index"})
    assert "cannot be written" in refused(beneath, encoder)


def test_two_builds_at_once(documents: Documents, encoder: Encoder) -> None:
    documents.index.mkdir()
    with (documents.index / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "Another `isthmus index`" in refused(documents, encoder)
    assert isinstance(build_index(documents, encoder), IndexReport)


def not_opened(documents: Documents, encoder: Encoder) -> str:
    with pytest.raises(ConfigurationError) as error:
        open_index(documents.index, encoder)
    return one_sentence(error.value)


def test_no_index(documents: Documents, encoder: Encoder) -> None:
    assert "There is no index" in not_opened(documents, encoder)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema_version": 0}'])
def test_an_index_of_another_version(documents: Documents, encoder: Encoder, text: str) -> None:
    documents.index.mkdir()
    (documents.index / "manifest.json").write_text(text)
    assert "another version" in not_opened(documents, encoder)
    build_index(documents, encoder)  # as the sentence says
    assert len(open_index(documents.index, encoder)) == 6


def test_an_index_of_a_later_version(documents: Documents, encoder: Encoder) -> None:
    build_index(documents, encoder)
    file = documents.index / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema_version": 99}))
    assert "another version" in not_opened(documents, encoder)


def test_an_index_of_another_encoder(documents: Documents, encoder: Encoder, other_encoder: Encoder) -> None:
    build_index(documents, encoder)
    assert re.search("with the encoder 'words'.*'others'", not_opened(documents, other_encoder))
    assert build_index(documents, other_encoder).embedded == 6  # as the sentence says
    assert len(open_index(documents.index, other_encoder)) == 6


def test_the_same_encoder_by_another_name_is_the_same(documents: Documents, encoder: Encoder) -> None:
    build_index(documents, encoder)
    same = type(encoder)("/models/words")  # type: ignore[call-arg]
    assert len(open_index(documents.index, same)) == 6


@pytest.mark.parametrize("file", ["passages.jsonl", "passages.npy", "vectors.faiss", "words/vocab.index.json"])
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_damaged_index(documents: Documents, encoder: Encoder, file: str, how: str) -> None:
    build_index(documents, encoder)
    broken = documents.index / read_manifest(documents.index).data / file
    broken.unlink()
    if how == "empty":
        broken.touch()
    assert "is damaged" in not_opened(documents, encoder)
    assert build_index(documents, encoder).embedded == 6  # as the sentence says
    assert len(open_index(documents.index, encoder)) == 6
