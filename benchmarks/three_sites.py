"""The system of `benchmarks.live`: a small model at three edge sites, a large one in an elastic cloud, and a profile of both."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console

from cluster.config import load
from cluster.nodes.running import running
from cluster.nodes.variables import token_file
from cluster.ports import free_ports
from cluster.profile import PathRow, Table, write_table
from policies.types import Profile

EDGES = ("hall", "barn", "mill")
SMALL_TOKENS_PER_S, LARGE_TOKENS_PER_S = 40.0, 30.0
STARTUP_S = 8.0
LONGEST = 120
KINDS = ("Is the lamp in the hall on?", "Which tax applies to a boat?")
"""What the small model answers as well as the large one, and what only the large one answers."""
FILLER = ("please", "now", "today", "here", "again", "then", "maybe", "so", "too", "still", "well", "once")


def settings(ports: Sequence[int]) -> dict[str, Any]:
    """The configuration."""
    gateway, head, dashboard = ports
    echo = {"engine": "echo", "cpus": 0.1, "max_tokens": LONGEST}
    return {
        "domain": "live",
        "cluster": {
            "sites": [*({"name": n, "tier": "edge", "cpus": 2} for n in EDGES), {"name": "cloud", "tier": "cloud", "cpus": 2}],
            "port": head,
            "dashboard_port": dashboard,
            "link": {"rtt_s": 0.04, "mbps": 100},
        },
        "gateway": {"port": gateway, "cpus": 0.1},
        "models": {
            "small": {
                **echo,
                "tokens_per_s": SMALL_TOKENS_PER_S,
                "max_ongoing": 4,
                "max_queued": 16,
                "power": {"idle_w": 5, "peak_w": 25},
            },
            "large": {
                **echo,
                "tier": "cloud",
                "tokens_per_s": LARGE_TOKENS_PER_S,
                "max_ongoing": 4,
                "max_queued": 16,
                "power": {"idle_w": 60, "peak_w": 300},
                "scaling": {"max_replicas": 3, "startup_s": STARTUP_S, "interval_s": 1.0},
            },
        },
        "default_path": "none/none/none/small",
        "profile": "profile",
    }


def question(kind: int, words: int) -> str:
    """So many words; an echo's answer has as many."""
    return " ".join((KINDS[kind].split() + [FILLER[i % len(FILLER)] for i in range(words)])[:words])


def write_profile(folder: Path, words: Sequence[int]) -> None:
    """Measurements as the Emulator would make them, for answers of so many `words`."""
    chosen = np.random.default_rng(0).choice(np.asarray(words), 60)
    asked = {question(i % 2, int(length)): (i % 2, int(length)) for i, length in enumerate(chosen)}
    queries = tuple(asked)
    kinds, lengths = np.array(list(asked.values())).T
    paths = ("none/none/none/small", "none/none/none/large")
    accuracy = np.stack((np.where(kinds == 0, 1.0, 0.1), np.ones(len(queries))), axis=1)
    seconds = np.stack((lengths / SMALL_TOKENS_PER_S + 0.05, lengths / LARGE_TOKENS_PER_S + 0.1), axis=1)
    profile = Profile(queries, queries, paths, accuracy, seconds, seconds * 1e-4, seconds * np.array([25.0, 300.0]))
    rows = (PathRow(paths[0], "edge", generate="small"), PathRow(paths[1], "cloud", generate="large"))
    write_table(Table(profile, rows, ("live",) * len(queries), ("",) * len(queries)), folder)


@contextmanager
def cluster(folder: Path, words: Sequence[int], console: Console) -> Iterator[tuple[str, str, Path]]:
    """The running system: its URL, that of its dashboard, and the token for it."""
    file = folder / "isthmus.yaml"
    file.write_text(yaml.safe_dump(settings(free_ports(3))), encoding="utf-8")
    write_profile(folder / "profile", words)
    os.environ.setdefault("RAY_worker_niceness", "0")

    def report(name: str, state: str) -> None:
        console.log(f"{name} is {state}") if state == "ready" and name not in seen else None
        seen.update({name} if state == "ready" else ())

    seen: set[str] = set()
    with running(load(file), file, 300.0, report) as system:
        yield system.url, system.dashboard, token_file(file.parent / ".isthmus")
