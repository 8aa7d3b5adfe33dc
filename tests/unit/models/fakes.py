"""Serve's autoscaling context, as far as our policy reads it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Point:
    """A measurement in a series."""

    value: float


@dataclass
class Context:
    """Totals of each replica by name, newest last in their series."""

    target_num_replicas: int = 0
    total_queued_requests: float = 0.0
    counts: dict[str, dict[str, float]] = field(default_factory=dict)
    deployment_name: str = "large@cloud"
    app_name: str = "isthmus"

    @property
    def raw_metrics(self) -> dict[str, dict[str, list[Point]]]:
        names = {name for counts in self.counts.values() for name in counts}
        return {name: {r: [Point(0.0), Point(c[name])] for r, c in self.counts.items() if name in c} for name in names}
