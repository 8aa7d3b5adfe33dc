"""The ways to choose that are compared on the held-out questions of the demo, and what each of them asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import numpy.typing as npt

from benchmarks.demo_asking import Ask
from cluster.config import Config
from cluster.emulator import Question
from cluster.profile import Table
from cluster.snapshot import fit_snapshot
from policies.complete import complete, measured_means
from policies.types import Path, Slo

AUTO, FIXED, LIMITED = "auto", "auto, fixed paths", "auto, limited"
"""`auto` as it is, without adaptive paths, and with limits on latency."""
CLOUD_ONLY, EDGE_ONLY, MODEL_ONLY, RANDOM = "cloud-only", "edge-only", "model-only", "random"
LIMITS = (0.25, 0.5, 0.75, 1.0, 1.5)
"""Of the cloud-only path's mean latency in the profile: the limits of `auto, limited`, drawn for each question."""


def best_path(table: Table, tier: str) -> str:
    """The path of `tier` with the highest mean in the profile, drawn toward those of its relatives."""
    return best_paths(table, tier, 1)[0]


def best_paths(table: Table, tier: str, number: int) -> list[str]:
    """The first `number` of them, the best first."""
    means = complete(table.profile.accuracy, [row.options for row in table.paths]).means
    places = [place for place in np.argsort(-means, kind="stable") if table.paths[place].tier == tier]
    return [table.paths[place].name for place in places[:number]]


def by_model(path: str, models: Sequence[str]) -> list[str]:
    """`path` with each of `models`: what a router has that chooses the model alone."""
    return [replace(Path.parse(path), generate=model).name for model in models]


def asks(
    config: Config,
    profile: Table,
    by_model_alone: Table,
    learnt: npt.NDArray[np.float32],
    held_out: Sequence[Question],
    vectors: npt.NDArray[np.float32],
    seed: int,
) -> list[Ask]:
    """What all policies ask. `by_model_alone` has every learnt question on the paths among which model-only chooses; `learnt`
    and `vectors` are the unit vectors of the learnt and the held-out questions."""
    cloud, edge = best_path(profile, "cloud"), best_path(profile, "edge")
    seconds = float(measured_means(profile.profile.latency_s)[profile.profile.paths.index(cloud)])
    router = fit_snapshot(config, by_model_alone, learnt)
    random = Random(seed)
    found: list[Ask] = []
    for question, vector in zip(held_out, vectors, strict=True):
        routed = router.select(router.forecast(question.query, vector), Slo()).path.name
        limit = Slo(max_latency_s=seconds * random.choice(LIMITS))
        found += [
            Ask(AUTO, question, "auto", Slo()),
            Ask(FIXED, question, "auto", Slo()),
            Ask(CLOUD_ONLY, question, cloud, Slo()),
            Ask(EDGE_ONLY, question, edge, Slo()),
            Ask(MODEL_ONLY, question, routed, Slo()),
            Ask(RANDOM, question, random.choice(profile.profile.paths), Slo()),
            Ask(LIMITED, question, "auto", limit),
        ]
    return found
