"""`isthmus profile` against a gateway that is not ours to break: budget, trouble, and a kill at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cluster.profile import read_table
from policies.signals import SIGNALS
from tests.unit.emulator.conftest import FakeGateway

QUERIES, MODELS = 20, ("small", "medium", "large")
PATHS = 2 * len(MODELS)


@pytest.fixture
def folder(tmp_path: Path, gateway: FakeGateway) -> Path:
    questions = [{"query_id": f"q{n}", "query": f"question {n * 7}", "reference": f"question {n * 7}"} for n in range(QUERIES)]
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(question) + "\n" for question in questions))
    settings: dict[str, Any] = {
        "domain": "test",
        "gateway": {"port": int(gateway.url.rpartition(":")[2])},
        "models": {name: {"engine": "echo", "tier": "cloud" if name == "large" else "edge"} for name in MODELS},
        "stages": {"preprocess": ["none", "rewrite"]},
    }
    (tmp_path / "isthmus.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


def command(folder: Path, *more: str) -> list[str]:
    files = ["--config", str(folder / "isthmus.yaml"), "--queries", str(folder / "queries.jsonl"), "--out", str(folder / "out")]
    return [sys.executable, "-m", "cluster.cli", "profile", *files, "--json", *more]


def profile(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, *more), capture_output=True, text=True, timeout=120)


def test_everything_measured_is_in_the_profile(folder: Path, gateway: FakeGateway) -> None:
    told = json.loads(profile(folder, "--budget", "1").stdout)
    assert (told["cells"], told["of_cells"], told["failed"]) == (QUERIES * PATHS, QUERIES * PATHS, 0)
    assert told["spent_usd"] == pytest.approx(0.002 * QUERIES * 2)
    assert told["unshared_s"] == pytest.approx(2 * told["spent_s"])
    table = read_table(folder / "out")
    assert not np.isnan(table.profile.accuracy).any()
    assert {row.name: row.tier for row in table.paths}["none/none/none/large"] == "cloud"
    large = table.profile.paths.index("none/none/none/large")
    assert table.profile.accuracy[:, large].mean() == 1.0
    assert len(set(gateway.asked)) == len(gateway.asked) == QUERIES * PATHS
    assert table.signals is not None
    shown = dict(zip(SIGNALS, np.moveaxis(table.signals, 2, 0), strict=True))
    assert (shown["mean_logprob"] == -0.25).all()
    assert np.isnan(shown["top_score"]).all()


def test_at_the_end_the_frontier_is_not_one_so_far_and_its_paths_are_named_in_full(folder: Path, gateway: FakeGateway) -> None:
    settings = yaml.safe_load((folder / "isthmus.yaml").read_text())
    settings["models"] = {f"billions-of-parameters-{name}": model for name, model in settings["models"].items()}
    (folder / "isthmus.yaml").write_text(yaml.safe_dump(settings))
    words = [word for word in command(folder, "--budget", "1") if word != "--json"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120, env={**os.environ, "COLUMNS": "80"})
    assert ended.returncode == 0, ended.stderr
    assert "Frontier: means" in ended.stdout
    assert "so far" not in ended.stdout
    shown = {line.split()[0] for line in ended.stdout.splitlines() if "billions" in line}
    assert "none/none/none/billions-of-parameters-large" in shown
    assert shown <= {path for _, path in gateway.asked}


def test_a_budget_is_kept_and_every_query_has_a_cell(folder: Path, gateway: FakeGateway) -> None:
    told = json.loads(profile(folder, "--budget", "0.4").stdout)
    assert told["cells"] == len(gateway.asked) == round(0.4 * QUERIES * PATHS)
    measured = ~np.isnan(read_table(folder / "out").profile.accuracy)
    assert measured.any(axis=1).all()
    assert measured.all(axis=1).any()  # a representative has all paths


def test_killed_again_and_again_it_repeats_nothing_and_loses_nothing(folder: Path, gateway: FakeGateway) -> None:
    gateway.pause_s = 0.02
    journal = folder / "out" / "journal.jsonl"
    kept: list[str] = []
    for kill_at in (6, 30, 50):
        with subprocess.Popen(command(folder, "--budget", "0.6", "--resume")) as process:
            while not (journal.exists() and journal.read_bytes().count(b"\n") > kill_at) and process.poll() is None:
                time.sleep(0.005)
            os.kill(process.pid, signal.SIGKILL)
        lines = journal.read_text().splitlines()
        assert lines[: len(kept)] == kept  # nothing was lost
        kept = lines
        on_disk = {(f"question {int(r['query_id'][1:]) * 7}", r["path"]) for r in map(json.loads, kept[1:])}
        gateway.asked.clear()
    gateway.pause_s = 0.0
    told = json.loads(profile(folder, "--budget", "0.6", "--resume").stdout)
    assert told["cells"] == round(0.6 * QUERIES * PATHS)
    assert on_disk
    assert not on_disk & set(gateway.asked)
    rows = [(row["query_id"], row["path"]) for row in map(json.loads, journal.read_text().splitlines()[1:])]
    assert len(set(rows)) == len(rows) == told["cells"]


def test_what_a_path_cannot_do_is_zero_and_what_the_cluster_cannot_is_missing(folder: Path, gateway: FakeGateway) -> None:
    gateway.faults = {"none/none/none/small": (400, "too long"), "none/none/none/large": (503, "gone")}
    told = json.loads(profile(folder, "--budget", "1").stdout)
    assert told["failed"] == QUERIES
    measured = read_table(folder / "out").profile
    small, large = (measured.paths.index(f"none/none/none/{name}") for name in ("small", "large"))
    assert (measured.accuracy[:, small] == 0).all()
    assert np.isnan(measured.latency_s[:, small]).all()
    assert np.isnan(measured.accuracy[:, large]).all()
    gateway.faults, gateway.asked = {}, []
    assert json.loads(profile(folder, "--budget", "1", "--resume").stdout)["failed"] == 0
    assert {path for _, path in gateway.asked} == {"none/none/none/large"}


def test_a_cluster_that_fails_at_everything_ends_it_with_a_sentence(folder: Path, gateway: FakeGateway) -> None:
    gateway.faults = {
        f"{preprocess}/none/none/{model}": (503, "no replica") for preprocess in ("none", "rewrite") for model in MODELS
    }
    ended = profile(folder, "--budget", "1")
    assert ended.returncode == 1
    assert "in a row failed, the last with: no replica" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_no_cluster(folder: Path) -> None:
    settings = yaml.safe_load((folder / "isthmus.yaml").read_text())
    settings["gateway"]["port"] = 9  # the port of `discard`, where nobody listens
    (folder / "isthmus.yaml").write_text(yaml.safe_dump(settings))
    ended = profile(folder)
    assert ended.returncode == 1
    assert "start it with 'isthmus up'" in ended.stderr


def test_a_time_limit_ends_it_with_a_profile(folder: Path, gateway: FakeGateway) -> None:
    gateway.pause_s = 0.2
    told = json.loads(profile(folder, "--budget", "1", "--time-limit", "3").stdout)
    assert 0 < told["cells"] < QUERIES * PATHS
    assert read_table(folder / "out").profile.accuracy.shape == (QUERIES, PATHS)


def test_a_metric_that_does_not_exist_leaves_nothing_behind(folder: Path, gateway: FakeGateway) -> None:
    ended = profile(folder, "--metric", "exakt")
    assert (ended.returncode, "did you mean 'exact'" in ended.stderr) == (2, True)
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("not json", "line 21: the line"),
        ('{"query_id": "x", "query": "y"}', "line 21: reference"),
        ('{"query_id": "q0", "query": "y", "reference": "z"}', "query_id 'q0' more than once"),
    ],
)
def test_questions_that_are_wrong(folder: Path, line: str, sentence: str) -> None:
    with (folder / "queries.jsonl").open("a") as file:
        file.write(line + "\n")
    ended = profile(folder)
    assert ended.returncode == 2
    assert sentence in ended.stderr
