"""`isthmus down` after the process that held the cluster was killed, and two `isthmus up` at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.config import load
from cluster.nodes import background, state
from cluster.nodes.running import running
from policies.errors import ConfigurationError, IsthmusError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("ISTHMUS_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "isthmus.yaml"
    file.write_text("models: {edge: {engine: llama_cpp, path: none.gguf}}\n")
    return file


def killed(file: Path, temporary: Path | None) -> state.State:
    """Leave what a cluster leaves whose process is gone."""
    left = replace(state.own("ready", "http://127.0.0.1:8000", "http://127.0.0.1:8265", temporary), born=1.0)
    state.write(state.folder_of(file), left)
    return left


@contextmanager
def left_behind(temporary: Path, titled: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the killed cluster, and its folder. A titled one is known by its log alone, as Ray's own are."""
    temporary.mkdir()
    log = f"log = open({str(temporary / 'a.log')!r}, 'w'); " if titled else ""
    command = ["ray::Agent" if titled else "agent", "-c", f"{log}print(flush=True); import time; time.sleep(600)"]
    variables = os.environ if titled else {**os.environ, "RAY_TMPDIR": str(temporary)}
    process = subprocess.Popen(command, executable=sys.executable, env=variables, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("titled", [False, True])
def test_down_clears_what_a_killed_cluster_left(file: Path, tmp_path: Path, titled: bool) -> None:
    temporary = tmp_path / "isthmus-x"
    with left_behind(temporary, titled) as process:
        left = killed(file, temporary)
        assert background.stop(file) == left.pid
        process.wait(10)
    assert not temporary.exists()
    assert state.last(file) is None


def test_up_clears_it_too(file: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "isthmus-x"
    with left_behind(temporary) as process:
        killed(file, temporary)
        with pytest.raises(ConfigurationError, match="there is no file"), running(load(file), file, 1.0, lambda *_: None):
            pass
        process.wait(10)
    assert not temporary.exists()


def test_down_tells_that_a_joined_cluster_goes_on(file: Path) -> None:
    left = killed(file, None)
    with pytest.raises(
        IsthmusError, match="its application runs on, on the nodes that it had joined; 'isthmus up' takes it over"
    ):
        background.stop(file)
    assert state.last(file) == left


def test_a_second_up_does_not_start(file: Path) -> None:
    with (
        state.alone(file),
        pytest.raises(ConfigurationError, match="has just begun; wait until it is done"),
        running(load(file), file, 1.0, lambda *_: None),
    ):
        pass


def test_down_keeps_its_hands_off_a_start(file: Path, tmp_path: Path) -> None:
    left = killed(file, tmp_path)
    with state.alone(file), pytest.raises(ConfigurationError, match="has just begun"):
        background.stop(file)
    assert state.last(file) == left
    assert tmp_path.is_dir()
