"""`isthmus simulate` through its front door: results, reports and bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from cluster.cli import app
from cluster.simulation.run import Prepared
from cluster.simulation.scenario import load_scenario
from cluster.simulation.summary import Interval

DEVICE = {"slots": 8, "queue": 4, "prefill_tokens_per_s": 2000, "step_s": 0.02, "step_per_sequence_s": 0.001}
POWER = {"idle_w": 10, "busy_w": 50, "peak_w": 80}
BASE: dict[str, Any] = {
    "duration_s": 30,
    "policies": ["cs_ucb", "least_outstanding", "clairvoyant"],
    "seeds": [0, 1],
    "arrivals": {"trace": "requests.csv", "rate_per_s": 4},
    "services": [{"name": "chat", "share": 1, "limit_s": [2, 4]}],
    "devices": {"box": {**DEVICE, **POWER}},
    "sites": [
        {"name": "home", "count": 2, "device": "box", "link": {"mbps": 50}},
        {"name": "cloud", "tier": "cloud", "device": "box", "replicas": 2, "link": {"mbps": 300}},
    ],
}
ROWS = ["TIMESTAMP,ContextTokens,GeneratedTokens", *(f"2023-11-16 18:15:{i:02d}.6805900,{50 + i},{10 + i}" for i in range(60))]


def run(folder: Path, rows: list[str] = ROWS, options: tuple[str, ...] = (), **changes: Any) -> Any:
    (folder / "requests.csv").write_text("\n".join(rows))
    (folder / "scenario.yaml").write_text(yaml.safe_dump({**BASE, **changes}))
    return CliRunner().invoke(app, ["simulate", str(folder / "scenario.yaml"), *options])


def policies(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    return {policy["policy"]: policy for policy in json.loads(result.stdout)["policies"]}


def test_light_load_is_served_and_the_same_seeds_give_the_same_numbers(tmp_path: Path) -> None:
    first, second = (run(tmp_path, options=("--json",)) for _ in range(2))
    assert first.stdout == second.stdout
    for policy in policies(first).values():
        assert policy["attainment"]["mean"] > 0.95
        assert policy["broken"] == 0
        assert policy["joules_per_served"]["mean"] > 0


def test_a_narrow_terminal_shows_every_name_and_number_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    many = ["cs_ucb", "earliest_finish_admission", "clairvoyant"]
    found = policies(run(tmp_path, options=("--json",), policies=many))
    shown = run(tmp_path, policies=many).stdout
    words = set(shown.split())
    for name, policy in found.items():
        served = Interval(**policy["served_per_s"])
        assert {name, *str(served).split(), f"{policy['refused']:.1%}", f"{policy['regret_per_request']:.4f}"} <= words
    assert "C2-C4 broken by none" in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_an_interval_of_many_seeds_is_not_too_narrow() -> None:
    values = [float(i % 2) for i in range(22)]
    deviation = float(np.std(values, ddof=1)) / len(values) ** 0.5
    assert Interval.of(values).half_width == pytest.approx(2.08 * deviation, rel=0.01), "t of 21 degrees of freedom is 2.08"


def test_the_report_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    scaling = {"site": "cloud", "max_replicas": 3, "startup_s": 2}
    result = run(tmp_path, options=("--out", str(tmp_path / "report.html")), scaling=scaling)
    assert result.exit_code == 0, result.stderr
    page = (tmp_path / "report.html").read_text()
    for title in ("Answered within their limit", "Attainment per class", "Energy", "Regret", "Cloud replicas"):
        assert f"<h2>{title}</h2>" in page
    assert "<script src" not in page
    assert "<link" not in page


def test_the_cloud_goes_from_zero_to_n_to_zero(tmp_path: Path) -> None:
    busy = [f"{i * 0.25},200,60" for i in range(240)]
    rows = [ROWS[0], *busy, "290,200,60"]
    sites = [BASE["sites"][0] | {"count": 1}, BASE["sites"][1] | {"replicas": 0}]
    device = {"box": {**DEVICE, **POWER, "slots": 2, "queue": 0}}
    arrivals = {"trace": "requests.csv"}
    scaling = {"site": "cloud", "max_replicas": 4, "startup_s": 5}
    run(tmp_path, rows, sites=sites, devices=device, arrivals=arrivals, scaling=scaling, duration_s=600, policies=["cs_ucb"])
    prepared = Prepared.of(load_scenario(tmp_path / "scenario.yaml"))
    replicas = [sample.replicas for sample in prepared.run("cs_ucb", 3).samples]
    assert replicas[0] == 0
    assert max(replicas) > 0
    assert replicas[-1] == 0 or 0 in replicas[replicas.index(max(replicas)) :]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("2023-11-16 18:15:00,1,1", "is before the line above"),
        ("-5,1,1", "below zero"),
        ("2023-11-16 18:16:50,,1", "a value is missing"),
        ("2023-11-16 18:16:50,1", "a value is missing"),
        ("2023-11-16 18:16:50,-1,1", "below zero"),
        ("2023-11-16 18:16:50,nan,1", "below zero or that is none"),
        ("yesterday,1,1", "is not a time and two numbers"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, sentence: str) -> None:
    result = run(tmp_path, [*ROWS, row])
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "line 62" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("TIMESTAMP,ContextToken,GeneratedTokens", "'ContextToken' (did you mean 'ContextTokens'?)"),
        ("TIMESTAMP,ContextTokens", "lacks the column GeneratedTokens"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens,TIMESTAMP", "has the column TIMESTAMP twice"),
        ("", "lacks the column TIMESTAMP"),
    ],
)
def test_a_wrong_header_is_one_sentence(tmp_path: Path, header: str, sentence: str) -> None:
    result = run(tmp_path, [header, *ROWS[1:]])
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("rows", [[], [ROWS[0]], ["\0"], ["x" * 200_000]], ids=["empty", "no requests", "no text", "one cell"])
def test_what_is_no_trace_is_one_sentence(tmp_path: Path, rows: list[str]) -> None:
    result = run(tmp_path, rows)
    assert result.exit_code == 2
    assert "arrivals.trace: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("0 5\n1 -5\n2 5", "must not be negative"),
        ("0 5\n2 5\n1 5", "must rise"),
        ("a b", "no bandwidth trace"),
        ("0 0\n1 0", "nor all zero"),
    ],
)
def test_a_wrong_bandwidth_trace_is_named_by_its_key(tmp_path: Path, lines: str, sentence: str) -> None:
    (tmp_path / "link.txt").write_text(lines)
    sites = [BASE["sites"][0] | {"link": {"trace": "link.txt"}}]
    result = run(tmp_path, sites=sites)
    assert result.exit_code == 2
    assert "sites.link.trace: " in result.stderr
    assert sentence in result.stderr


def test_silence_in_a_trace_is_kept(tmp_path: Path) -> None:
    rows = [ROWS[0], *(f"{t},50,10" for t in (*range(10), *range(1000, 1010)))]
    result = run(tmp_path, rows, ("--json",), arrivals={"trace": "requests.csv"}, duration_s=900)
    assert policies(result)["cs_ucb"]["served_per_s"]["mean"] * 900 <= 20


def test_a_scaled_site_that_has_left_does_not_come_back_with_its_next_replica(tmp_path: Path) -> None:
    scaling = {"site": "cloud", "min_replicas": 1, "max_replicas": 4, "startup_s": 10}
    device = {"box": {**DEVICE, **POWER, "slots": 1, "queue": 0}}
    happenings = [{"at_s": 10, "site": "cloud", "kind": "leave"}]
    run(tmp_path, devices=device, scaling=scaling, happenings=happenings, policies=["least_outstanding"])
    result = Prepared.of(load_scenario(tmp_path / "scenario.yaml")).run("least_outstanding", 0)
    cloud = result.servers.index("cloud")
    replicas = {sample.replicas for sample in result.samples if sample.at_s > 10}
    assert len(replicas) > 1, "some start while it is away"
    assert (result.server[result.arrived_s < 10] == cloud).any()
    assert not (result.server[result.arrived_s > 10] == cloud).any()


@pytest.mark.parametrize(
    "site",
    [
        {"link": {"mbps": 0}},
        {"replicas": 0},
        {"device": "full"},
        {"device": "hall"},
    ],
    ids=["zero bandwidth", "no replica", "capacity 0", "a queue before no slot"],
)
def test_a_site_that_can_take_nothing_gets_nothing_from_cs_ucb(tmp_path: Path, site: dict[str, Any]) -> None:
    sites = [BASE["sites"][0] | {"count": 1}, BASE["sites"][1] | site]
    none = {**DEVICE, **POWER, "slots": 0}
    devices = {**BASE["devices"], "full": none | {"queue": 0}, "hall": none | {"queue": 4}}
    result = policies(run(tmp_path, options=("--json",), sites=sites, devices=devices))
    assert result["cs_ucb"]["broken"] == 0
    assert result["cs_ucb"]["attainment"]["mean"] > 0.5
    served_by = Prepared.of(load_scenario(tmp_path / "scenario.yaml")).run("cs_ucb", 0).server
    assert set(served_by.tolist()) <= {-1, 0}


def test_when_nothing_is_feasible_all_is_refused(tmp_path: Path) -> None:
    services = [{"name": "chat", "share": 1, "limit_s": [0.001, 0.001]}]
    result = policies(run(tmp_path, options=("--json",), services=services))
    assert result["cs_ucb"]["refused"] == 1.0
    assert result["cs_ucb"]["joules_per_served"]["mean"] is None


def test_a_failed_site_is_left_and_found_again(tmp_path: Path) -> None:
    happenings = [{"at_s": 10, "site": "home-1", "kind": "fail"}, {"at_s": 40, "site": "home-1", "kind": "recover"}]
    result = policies(run(tmp_path, options=("--json",), happenings=happenings, duration_s=120))
    assert result["cs_ucb"]["attainment"]["mean"] > 0.9


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"polices": ["cs_ucb"]}, "polices is not a known key (did you mean 'policies'?)"),
        ({"policies": ["cs_usb"]}, "There is no policy 'cs_usb' (did you mean 'cs_ucb'?)"),
        ({"duration_s": -1}, "duration_s is -1"),
        ({"sites": [BASE["sites"][0] | {"device": "bex"}]}, "'bex' (did you mean 'box'?)"),
        ({"happenings": [{"at_s": 1, "site": "moon", "kind": "fail"}]}, "happenings.site is 'moon'"),
        ({"arrivals": {"trace": "nowhere.csv"}}, "cannot be read"),
        ({"arrivals": {"process": "poisson"}}, "needs rate_per_s or load"),
        ({"warmup_s": 99}, "must be below duration_s"),
        ({"sites": BASE["sites"] * 2}, "site names must differ: home-1, home-2, cloud is there twice"),
        ({"services": BASE["services"] * 2}, "service names must differ: chat is there twice"),
        ({"policies": ["cs_ucb", "cs_ucb"]}, "policies must differ: cs_ucb is there twice"),
        ({"seeds": [0, 1, 0]}, "seeds must differ: 0 is there twice"),
    ],
)
def test_a_wrong_scenario_is_one_sentence(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    result = run(tmp_path, **changes)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
