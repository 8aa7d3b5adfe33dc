"""`isthmus index`: of the configuration's documents, or of any folder."""

import json
from pathlib import Path
from typing import Any

import pytest

Isthmus = Any


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "lamp.txt").write_text("The lamp is in the hall.")
    (folder / "fan.md").write_text("# Fan\nThe fan is in the bathroom.")
    (folder / "broken.jsonl").write_text("{")
    return folder


def test_without_a_configuration(isthmus: Isthmus, documents: Path, tmp_path: Path) -> None:
    result = isthmus("index", documents, "--out", tmp_path / "index", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["files"], report["embedded"], [s["source"] for s in report["skipped"]]) == (2, 2, ["broken.jsonl"])
    again = json.loads(isthmus("index", documents, "--out", tmp_path / "index", "--json").stdout)
    assert (again["files"], again["embedded"]) == (2, 0)


def test_of_the_configuration(isthmus: Isthmus, documents: Path, tmp_path: Path) -> None:
    (tmp_path / "isthmus.yaml").write_text("models: {edge: {engine: echo}}\ndocuments: {folder: docs, index: made}\n")
    result = isthmus("index")
    assert result.exit_code == 0
    assert "left out: broken.jsonl" in result.stdout
    assert (tmp_path / "made" / "manifest.json").is_file()


def test_empty_folder(isthmus: Isthmus, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = isthmus("index", tmp_path / "empty", "--out", tmp_path / "index")
    assert result.exit_code == 2
    assert "has no txt, md, html, jsonl or pdf file; put documents there" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_no_documents_named(isthmus: Isthmus, tmp_path: Path) -> None:
    (tmp_path / "isthmus.yaml").write_text("models: {edge: {engine: echo}}\n")
    result = isthmus("index")
    assert result.exit_code == 2
    assert (
        result.stderr == "The configuration names no documents; give documents.folder, or run 'isthmus index DIR --out INDEX'.\n"
    )
