"""What the benchmark of the split finds is held against what was asked for, and written down."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import split_page
from benchmarks.split_results import (
    CLOUD_ONLY,
    EQUAL,
    EVERY_TOKEN,
    LAYERS,
    NAIVE,
    STANDALONE,
    ModeRow,
    Results,
    Row,
    SessionRow,
)

OWN, VERIFIED = "collaborative@0.9", "verified@4"
SECONDS = {CLOUD_ONLY: 1.0, NAIVE: 9.0, STANDALONE: 0.5, OWN: 0.8, EVERY_TOKEN: 2.0, VERIFIED: 1.5}


def mode(name: str, accuracy: float = 0.9, over: float | None = None) -> ModeRow:
    return ModeRow(name, 20, 0.1, 0.5, accuracy, 1.0, 1000, over, 0.3, 0.2)


def results() -> Results:
    """All that was asked for holds, some of it just so."""
    modes = [
        mode(CLOUD_ONLY),
        mode(NAIVE),
        mode(STANDALONE),
        mode(OWN, 0.89, -0.01),
        mode(EVERY_TOKEN, over=0.02),
        mode(VERIFIED),
    ]
    rows = [
        Row(name, hosts, rtt, mbps, seconds, 0.3, 0.2, seconds - 0.5)
        for name, seconds in SECONDS.items()
        for hosts in (EQUAL, LAYERS)
        for rtt in (3, 50)
        for mbps in (10, 100)
    ]
    sessions = [SessionRow(EVERY_TOKEN, n, 100, 100, 100 // n, 100 // n, 1.0, 0) for n in (1, 4, 16)]
    long_bytes = {NAIVE: 1000.0, EVERY_TOKEN: 10.0}
    return Results(20, 100, 0.9, VERIFIED, 0.001, modes, rows, sessions, long_bytes)


def missed(found: Results) -> list[str]:
    return [target.what for target in found.targets() if not target.holds]


def test_what_just_holds_holds() -> None:
    assert missed(results()) == []


def worse_mode(found: Results, name: str, **fields: float) -> Results:
    return replace(found, modes=[replace(row, **fields) if row.mode == name else row for row in found.modes])


def slower(found: Results, name: str, hosts: str, rtt_ms: int, seconds: float) -> Results:
    """Over the slower link only."""
    at = (name, hosts, rtt_ms, 10)
    return replace(
        found,
        rows=[replace(r, total_s=seconds) if (r.mode, r.hosts, r.rtt_ms, r.mbps) == at else r for r in found.rows],
    )


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (worse_mode(results(), VERIFIED, agreement=0.99), "answers that are the unsplit model's"),
        (worse_mode(results(), OWN, work_saved=0.49), "work saved"),
        (worse_mode(results(), OWN, accuracy=0.88), "accuracy below"),
        (worse_mode(results(), EVERY_TOKEN, over=0.021), "bytes over"),
        (replace(results(), long_bytes={NAIVE: 1000.0, EVERY_TOKEN: 11.0}), "bytes below the naive"),
        (slower(results(), OWN, EQUAL, 3, 1.1), "time saved of cloud-only's"),
        (slower(results(), OWN, LAYERS, 3, 0.87), "edge layer time = cloud layer time"),
        (slower(results(), VERIFIED, EQUAL, 50, 1.6), "times as fast as a question for every token"),
        (replace(results(), sessions=[replace(s, cloud_passes=60) for s in results().sessions]), "cloud passes per token"),
        (replace(results(), sessions=[replace(s, agreement=0.9) for s in results().sessions]), "the same as alone"),
        (replace(results(), sessions=[replace(s, left_bytes=1) for s in results().sessions]), "remembers afterwards"),
    ],
)
def test_what_does_not_hold_is_named(found: Results, what: str) -> None:
    (named,) = missed(found)
    assert what in named


def test_the_section_has_every_mode_and_target_and_a_picture(tmp_path: Path) -> None:
    found, page = worse_mode(results(), OWN, accuracy=0.5), tmp_path / "results.md"
    split_page.write(page, found)
    text = page.read_text()
    assert "<!-- benchmarks/split.py: begin -->" in text
    for name in SECONDS:
        assert f"| {name} | 20.0 |" in text
    assert "calibrated replay" in text.lower()
    assert text.count("**does not hold**") == 1
    assert "<svg" in (tmp_path / split_page.PICTURE).read_text()
