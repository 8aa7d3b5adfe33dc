"""How far an exploration is, and what it has found so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.complete import complete, measured_means
from policies.frontier import pareto

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """A path that no other beats so far; the mean of its accuracy is drawn toward those of like paths."""

    path: str
    accuracy: float
    latency_s: float
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` and `planned` are cells; `left_s` is an estimate, None before anything was measured."""

    phase: str
    done: int
    planned: int
    failed: int
    elapsed_s: float
    left_s: float | None


def best_paths(cells: Mapping[str, FloatArray], paths: Sequence[str]) -> tuple[Point, ...]:
    """The frontier of accuracy against latency, fastest first; `cells` as the Emulator has them."""
    accuracy, latency_s, cost_usd = (cells[measure] for measure in ("accuracy", "latency_s", "cost_usd"))
    measured = ~np.isnan(accuracy).all(axis=0) & ~np.isnan(latency_s).all(axis=0)
    if not measured.any():
        return ()
    options = [path.split("/", 3) for path in paths]
    accuracies = complete(accuracy, options).means
    seconds, usd = measured_means(latency_s), measured_means(cost_usd)
    chosen = np.flatnonzero(measured)
    on = chosen[pareto(accuracies[chosen], seconds[None, chosen])]
    return tuple(
        Point(paths[path], float(accuracies[path]), float(seconds[path]), float(usd[path]))
        for path in sorted(on, key=lambda path: seconds[path])
    )
