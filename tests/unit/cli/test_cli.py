"""The command line as a whole: help, exit codes, sentences instead of traces."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

Isthmus = Any
ECHO = "models: {edge: {engine: echo}}\n"
COMMANDS = ("check", "up", "down", "status", "index")


def test_help_names_every_command(isthmus: Isthmus) -> None:
    result = isthmus("--help")
    assert result.exit_code == 0
    for command in (*COMMANDS, "bench", "init", "k8s", "route"):
        assert command in result.stdout


@pytest.mark.parametrize("command", [(c,) for c in (*COMMANDS, "bench", "init", "route")] + [("k8s", "render")])
def test_every_command_has_json(isthmus: Isthmus, command: tuple[str, ...]) -> None:
    assert "--json" in isthmus(*command, "--help").stdout


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, cluster.cli; print(sorted({'ray', 'torch', 'numpy', 'pydantic', 'httpx', 'faiss'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_no_configuration(isthmus: Isthmus, command: str) -> None:
    result = isthmus(command)
    told = result.stderr or result.stdout
    assert result.exit_code == 2
    assert "There is no configuration at" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("command", ["up", "index"])
def test_unknown_key(isthmus: Isthmus, tmp_path: Path, command: str) -> None:
    (tmp_path / "isthmus.yaml").write_text(ECHO + "cluster: {sitez: []}\n")
    result = isthmus(command)
    assert result.exit_code == 2
    assert result.stderr == "isthmus.yaml: cluster.sitez is not a known key (did you mean 'sites'?).\n"


@pytest.mark.parametrize("command", ["status", "down"])
def test_no_cluster_runs(isthmus: Isthmus, tmp_path: Path, command: str) -> None:
    (tmp_path / "isthmus.yaml").write_text(ECHO)
    result = isthmus(command)
    assert result.exit_code == 1
    assert result.stderr == f"No cluster runs for {tmp_path}/isthmus.yaml; 'isthmus up' starts one.\n"


def test_unknown_option(isthmus: Isthmus) -> None:
    assert isthmus("check", "--jsonn").exit_code == 2


def test_up_refuses_what_check_finds(isthmus: Isthmus, tmp_path: Path, ports: str) -> None:
    model = "models: {edge: {engine: llama_cpp, path: none.gguf}}\n"
    (tmp_path / "isthmus.yaml").write_text(model + ports)
    result = isthmus("up")
    assert result.exit_code == 2
    assert f"models.edge.path: there is no file {tmp_path}/none.gguf" in result.stderr


def test_up_in_the_background_tells_why_it_ended(isthmus: Isthmus, tmp_path: Path, ports: str) -> None:
    (tmp_path / "isthmus.yaml").write_text("models: {edge: {engine: llama_cpp, path: none.gguf}}\n" + ports)
    result = isthmus("up", "--detach")
    assert result.exit_code == 2
    assert f"models.edge.path: there is no file {tmp_path}/none.gguf" in result.stderr
    assert "Traceback" not in result.stderr
