"""How far an exploration is: a bar with the time left, and the frontier so far, on the standard error."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from cluster.cli.grid import Grid
from cluster.emulator.progress import Point, Progress

FRONTIER_EVERY_S = 5.0
PLAIN_EVERY_S = 30.0
_SHOWN = 8


class Display:
    """On a terminal it is redrawn in place; elsewhere a line is printed now and then."""

    def __init__(self, best: Callable[[], Sequence[Point]]) -> None:
        """`best` computes the frontier so far; it is asked only now and then."""
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, transient=True, auto_refresh=False) if self._console.is_terminal else None
        self._best = best
        self._frontier: Sequence[Point] = ()
        self._drawn_at = self._printed_at = float("-inf")

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, progress: Progress) -> None:
        """Show it."""
        now = time.monotonic()
        if self._live is None:
            if now - self._printed_at >= PLAIN_EVERY_S or progress.done == progress.planned:
                self._printed_at = now
                self._console.print(_line(progress), soft_wrap=True)
            return
        if now - self._drawn_at >= FRONTIER_EVERY_S:
            self._drawn_at, self._frontier = now, _few(self._best())
        bar = ProgressBar(total=progress.planned, completed=progress.done, width=60)
        best = frontier(self._frontier, "Frontier so far: means")
        self._live.update(Group(Text(_line(progress)), bar, Text(), best), refresh=True)  # a bar does not end its line


def frontier(points: Sequence[Point], title: str) -> Grid:
    """The paths that no other beats."""
    rows = [(point.path, f"{point.accuracy:.3f}", f"{point.latency_s:.3f}", f"{point.cost_usd * 1e5:.2f}") for point in points]
    return Grid(("path", "accuracy", "seconds", "US cents per 1000"), rows, title)


def _few(points: Sequence[Point]) -> Sequence[Point]:
    """Evenly chosen if they are many: what is redrawn in place must fit on the screen."""
    step = max(1, -(-len(points) // _SHOWN))
    return [*points[:-1:step], *points[-1:]]


def _line(progress: Progress) -> str:
    left = "" if progress.left_s is None else f", {_minutes(progress.left_s)} left"
    failed = f", {progress.failed} failed" if progress.failed else ""
    return f"{progress.phase}: {progress.done} of {progress.planned} in {_minutes(progress.elapsed_s)}{left}{failed}"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
