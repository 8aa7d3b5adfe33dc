"""`isthmus bench` from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.cli import bench

Isthmus = Callable[..., Any]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, started in `folder`."""
    code = f"import sys; sys.path.insert(0, {str(bench.ROOT)!r}); from cluster.cli import main; main()"
    return subprocess.run([sys.executable, "-P", "-c", code, "bench", *words], capture_output=True, text=True, cwd=folder)


def test_a_benchmark_runs_with_its_arguments_wherever_one_stands(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").write_text("raise SystemExit('the wrong folder')")
    few = ("schedule", "--servers", "10", "--slots", "2", "--policy", "round_robin")
    for words in ((*few, "--json"), ("--json", *few)):
        done = run(tmp_path, *words)
        assert done.returncode == 0, done.stderr
        assert "round_robin" in json.dumps(json.loads(done.stdout))


def test_its_exit_code_is_the_benchmarks(tmp_path: Path) -> None:
    done = run(tmp_path, "schedule", "--servers", "none")
    assert done.returncode == 2
    assert "--servers" in done.stderr


def test_help_after_the_name_is_the_benchmarks(tmp_path: Path) -> None:
    assert "--servers" in run(tmp_path, "schedule", "--help").stdout


def test_an_unknown_name_shows_which_there_are(isthmus: Isthmus) -> None:
    result = isthmus("bench", "shedule")
    assert result.exit_code == 2
    assert result.stderr.startswith("'shedule' is not a benchmark (did you mean 'schedule'?); there are ")
    assert "routing" in result.stderr
    assert "frontiers" not in result.stderr  # draws for others
    assert result.stderr.count("\n") == 1


def test_an_installed_package_has_none(isthmus: Isthmus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()  # somebody else's, as in site-packages
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    result = isthmus("bench", "schedule")
    assert result.exit_code == 2
    assert result.stderr == (
        "The benchmarks come with the repository, not with the installed package: run this from a checkout of it.\n"
    )
