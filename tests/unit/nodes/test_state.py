"""What a running cluster leaves on disk, and whether it is believed."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.nodes import state
from policies.errors import ConfigurationError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "isthmus.yaml"


def mine(folder: Path) -> state.State:
    return state.own("ready", "http://127.0.0.1:8000", "http://127.0.0.1:8265", folder)


def test_round_trip(file: Path, tmp_path: Path) -> None:
    folder = state.folder_of(file)
    written = mine(tmp_path)
    state.write(folder, written)
    assert state.read(file) == written
    assert written.pid == os.getpid()
    state.forget(folder)
    assert state.read(file) is None
    state.forget(folder)


def test_another_process_with_the_same_pid_is_not_it(file: Path, tmp_path: Path) -> None:
    killed = replace(mine(tmp_path), born=1.0)
    state.write(state.folder_of(file), killed)
    assert state.read(file) is None
    assert state.last(file) == killed


def test_one_holder_at_a_time(file: Path, tmp_path: Path) -> None:
    with state.alone(file):
        with (
            pytest.raises(ConfigurationError, match=r"Another 'isthmus up' or 'isthmus down' of .* has just begun"),
            state.alone(file),
        ):
            pass
        state.write(state.folder_of(file), mine(tmp_path))
        with pytest.raises(ConfigurationError, match=f"is running already \\(process {os.getpid()}, "), state.alone(file):
            pass
    with state.alone(file):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_broken_file_is_no_cluster(file: Path, content: str) -> None:
    (state.folder_of(file) / "cluster.json").write_text(content)
    assert state.read(file) is None


def test_the_folder_keeps_out_of_git(file: Path) -> None:
    assert (state.folder_of(file) / ".gitignore").read_text() == "*\n"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        state.folder_of(tmp_path / "file" / "isthmus.yaml")
