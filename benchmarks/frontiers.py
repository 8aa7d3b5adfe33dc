"""A picture of frontiers, one panel per table, as SVG that a page can show without a script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from benchmarks.svg import svg
from policies.frontier import height

SHARES = np.geomspace(0.01, 1.0, 81)
"""Of the best single path's objective, at which frontiers are drawn."""
COLOURS = {"zero_router": "#9aa0a6", "kmeans": "#8e5bd0", "ridge": "#2f6fde", "knn": "#d9822b", "isthmus": "#0b7a5e"}
_WIDTH, _HEIGHT, _LEFT, _TOP, _WIDE, _HIGH, _ACROSS = 330, 240, 52, 64, 262, 150, 3
_SHARE_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0)
Curve = list[float | None]


def curve(frontiers: Sequence[Sequence[Sequence[float]]], references: Sequence[tuple[float, float]]) -> Curve:
    """Mean over splits of accuracy less the best single path's, at each share; None where some split has no frontier yet.

    `references` are the best single path's objective and accuracy of each split.
    """
    rows = [_gains(np.array(hull), *reference) for hull, reference in zip(frontiers, references, strict=True)]
    means = np.mean(rows, axis=0)
    return [None if math.isnan(value) else float(value) for value in means]


def picture(tables: Mapping[str, tuple[str, Mapping[str, Curve]]]) -> str:
    """`tables` maps a table's name to its objective and the curve of each policy."""
    down = math.ceil(len(tables) / _ACROSS)
    width, tall = _WIDTH * min(_ACROSS, len(tables)) + 10, _HEIGHT * down + 40
    parts = [
        *_legend(),
    ]
    for index, (name, (objective, curves)) in enumerate(tables.items()):
        place = f"translate({index % _ACROSS * _WIDTH},{index // _ACROSS * _HEIGHT})"
        parts += [f'<g transform="{place}">', *_panel(name, objective, curves), "</g>"]
    return svg(width, tall, parts)


def _gains(hull: np.ndarray, objective: float, accuracy: float) -> np.ndarray:
    at = SHARES * objective
    gains = np.array([height(hull, x) - accuracy for x in at])
    return np.where(at < hull[0, 0], np.nan, gains)


def _legend() -> list[str]:
    parts, left = [], _LEFT
    for name, colour in reversed(COLOURS.items()):
        parts.append(f'<line x1="{left}" y1="18" x2="{left + 22}" y2="18" stroke="{colour}" stroke-width="{_stroke(name)}"/>')
        parts.append(f'<text x="{left + 28}" y="22">{escape(name)}</text>')
        left += 48 + 7 * len(name)
    return [*parts, f'<text x="{left}" y="22" fill="#777">dashed: the best single path</text>']


def _panel(name: str, objective: str, curves: Mapping[str, Curve]) -> list[str]:
    drawn = {policy: curves[policy] for policy in COLOURS}
    values = [value for points in drawn.values() for value in points if value is not None]
    high = max([0.005, *values]) * 1.15
    low = -2.5 * high  # what is far below the best single path is of no use to anyone and left out
    step = _step(high - low)
    ticks = [tick * step for tick in range(math.ceil(low / step), math.floor(high / step) + 1)]
    parts = [f'<text x="{_LEFT}" y="{_TOP - 10}" font-weight="bold">{escape(name)}</text>']
    for tick in ticks:
        y = _y(tick, low, high)
        dash = ' stroke-dasharray="4 3" stroke="#555"' if tick == 0 else ' stroke="#e4e4e4"'
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_LEFT + _WIDE}" y2="{y:.1f}"{dash}/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{f"{tick:+.3g}" if tick else 0}</text>')
    start = min(
        share
        for points in drawn.values()
        for share, value in zip(SHARES, points, strict=True)
        if value is not None and value >= low
    )
    for share in (tick for tick in _SHARE_TICKS if tick >= start):
        parts.append(f'<text x="{_x(share, start):.1f}" y="{_TOP + _HIGH + 15}" text-anchor="middle">{share:g}</text>')
    label = f"{objective}, share of the best single path's"
    parts.append(f'<text x="{_LEFT + _WIDE / 2}" y="{_TOP + _HIGH + 30}" text-anchor="middle" fill="#777">{escape(label)}</text>')
    for policy, points in drawn.items():
        places = " ".join(
            f"{_x(share, start):.1f},{_y(value, low, high):.1f}"
            for share, value in zip(SHARES, points, strict=True)
            if value is not None and value >= low
        )
        parts.append(
            f'<polyline points="{places}" fill="none" stroke="{COLOURS[policy]}" stroke-width="{_stroke(policy)}" '
            'stroke-linejoin="round"/>'
        )
    return parts


def _stroke(policy: str) -> float:
    return 2.6 if policy == "isthmus" else 1.4


def _x(share: float, start: float) -> float:
    start = min(start, _SHARE_TICKS[-2])
    return _LEFT + _WIDE * (1 - math.log(share) / math.log(start))


def _y(value: float, low: float, high: float) -> float:
    return _TOP + _HIGH * (high - value) / (high - low)


def _step(span: float) -> float:
    """A round distance between ticks, so that there are about five."""
    power = 10.0 ** math.floor(math.log10(span / 5))
    return next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 6)
