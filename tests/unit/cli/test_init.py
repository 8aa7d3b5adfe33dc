"""`isthmus init`: every preset is a configuration that loads, and nothing is overwritten."""

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.config import load
from cluster.presets import names

Isthmus = Any
EXAMPLE = Path(__file__).parents[3] / "examples" / "smart_home"


@pytest.mark.parametrize("preset", names())
def test_a_preset_loads(isthmus: Isthmus, tmp_path: Path, preset: str) -> None:
    result = isthmus("init", "--preset", preset, tmp_path / "new", "--json")
    assert result.exit_code == 0
    file = Path(json.loads(result.stdout)["file"])
    assert file == tmp_path / "new" / "isthmus.yaml"
    config = load(file)
    assert {model.tier for model in config.models.values()} == {"edge", "cloud"}
    assert config.default.generate == "cloud"
    assert config.fallback is not None
    assert config.fallback.generate == "edge"


@pytest.mark.parametrize("preset", names())
def test_a_preset_fits_its_sites(isthmus: Isthmus, tmp_path: Path, preset: str) -> None:
    isthmus("init", "--preset", preset, tmp_path)
    findings = json.loads(isthmus("check", "--json").stdout)["findings"]
    sites = [finding for finding in findings if finding["name"].startswith("site ")]
    assert sites
    assert {finding["level"] for finding in sites} == {"ok"}


def test_there_are_four() -> None:
    assert names() == ["openai", "qwen", "smart-home", "smollm"]


def test_smart_home_is_the_example(isthmus: Isthmus, tmp_path: Path) -> None:
    isthmus("init", "--preset", "smart-home", tmp_path)
    ours, example = load(tmp_path / "isthmus.yaml"), load(EXAMPLE / "isthmus.yaml")
    assert ours.documents is not None
    assert example.documents is not None
    documents = ours.documents.model_copy(update={"index": example.documents.index})
    assert ours.model_copy(update={"documents": documents, "log": example.log, "learning": example.learning}) == example


def test_nothing_is_overwritten(isthmus: Isthmus, tmp_path: Path) -> None:
    (tmp_path / "isthmus.yaml").write_text("mine")
    result = isthmus("init", tmp_path)
    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path}/isthmus.yaml exists; remove it or choose another folder.\n"
    assert (tmp_path / "isthmus.yaml").read_text() == "mine"


def test_unknown_preset(isthmus: Isthmus, tmp_path: Path) -> None:
    result = isthmus("init", "--preset", "qwenn", tmp_path)
    assert result.exit_code == 2
    assert "There is no preset 'qwenn' (did you mean 'qwen'?)" in result.stderr
    assert not (tmp_path / "isthmus.yaml").exists()


def test_a_file_where_the_folder_should_be(isthmus: Isthmus, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = isthmus("init", tmp_path / "file" / "folder")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr
