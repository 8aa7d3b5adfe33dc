"""Lines in panels as SVG that a page can show without a script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.svg import svg

_WIDTH, _HEIGHT, _LEFT, _TOP, _WIDE, _HIGH = 330, 230, 48, 58, 266, 130


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of the row: a line for each name, over the same `x`."""

    title: str
    x: Sequence[float]
    lines: Mapping[str, Sequence[float]]
    top: float | None = None
    """Where its own vertical axis ends, if it is of other things than the other panels'; the dashed line is not drawn then."""


@dataclass(frozen=True, slots=True)
class Style:
    """What all panels share. The names in `colours` are drawn in their order, the last on top and strongest."""

    colours: Mapping[str, str]
    x_label: str
    y_label: str
    top: float
    """Where the vertical axis ends; it begins at `bottom`."""
    bottom: float = 0.0
    level: float | None = None
    """Height of a dashed line."""


def picture(panels: Sequence[Panel], style: Style) -> str:
    """The panels side by side under one legend."""
    width, tall = max(_WIDTH * len(panels), _legend_end(style)) + 10, _HEIGHT + 30
    parts = [
        *_legend(style),
    ]
    for index, panel in enumerate(panels):
        parts += [f'<g transform="translate({index * _WIDTH},8)">', *_panel(panel, style), "</g>"]
    return svg(width, tall, parts)


def _legend(style: Style) -> list[str]:
    parts, left = [], _LEFT
    for name, colour in reversed(style.colours.items()):
        parts.append(
            f'<line x1="{left}" y1="18" x2="{left + 20}" y2="18" stroke="{colour}" stroke-width="{_stroke(name, style)}"/>'
        )
        parts.append(f'<text x="{left + 25}" y="22">{escape(name)}</text>')
        left += _entry(name)
    return parts


def _legend_end(style: Style) -> int:
    return _LEFT + sum(map(_entry, style.colours))


def _entry(name: str) -> int:
    return 40 + round(6.4 * len(name))


def _panel(panel: Panel, style: Style) -> list[str]:
    low, high = style.bottom, panel.top or style.top
    parts = [f'<text x="{_LEFT}" y="{_TOP - 10}" font-weight="bold">{escape(panel.title)}</text>']
    for tick in _ticks(low, high):
        y = _y(tick, low, high)
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_LEFT + _WIDE}" y2="{y:.1f}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    if style.level is not None and panel.top is None:
        y = _y(style.level, low, high)
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_LEFT + _WIDE}" y2="{y:.1f}" stroke="#555" stroke-dasharray="4 3"/>')
    start, end = panel.x[0], panel.x[-1]
    for tick in _ticks(start, end):
        x = _LEFT + _WIDE * (tick - start) / (end - start)
        parts.append(f'<text x="{x:.1f}" y="{_TOP + _HIGH + 15}" text-anchor="middle">{tick:g}</text>')
    parts.append(
        f'<text x="{_LEFT + _WIDE / 2}" y="{_TOP + _HIGH + 31}" text-anchor="middle" fill="#777">{escape(style.x_label)}</text>'
    )
    middle = _TOP + _HIGH / 2
    turned = f'text-anchor="middle" fill="#777" transform="rotate(-90 12 {middle})"'
    parts.append(f'<text x="12" y="{middle}" {turned}>{escape(style.y_label)}</text>')
    for name, colour in style.colours.items():
        if name in panel.lines:
            points = " ".join(
                f"{_LEFT + _WIDE * (x - start) / (end - start):.1f},{_y(min(max(value, low), high), low, high):.1f}"
                for x, value in zip(panel.x, panel.lines[name], strict=True)
            )
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{_stroke(name, style)}" '
                'stroke-linejoin="round"/>'
            )
    return parts


def _stroke(name: str, style: Style) -> float:
    return 2.6 if name == list(style.colours)[-1] else 1.4


def _y(value: float, low: float, high: float) -> float:
    return _TOP + _HIGH * (high - value) / (high - low)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between `low` and `high`, about five of them."""
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(power * factor for factor in (1, 2, 5, 10) if (high - low) / (power * factor) <= 6)
    return [round(i * step, 10) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
