"""A picture of one number per row and way, as dots on a line, as SVG that a page can show without a script."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from benchmarks.svg import svg

COLOURS = ("#0b7a5e", "#d9822b", "#2f6fde", "#8e5bd0")
_LEFT, _TOP, _WIDE, _ROW, _RIGHT = 190, 44, 460, 30, 30


def picture(rows: Mapping[str, Mapping[str, float]], label: str, wanted: float) -> str:
    """`rows` maps a name to the value of each way; a dashed line stands at the value that is `wanted`."""
    ways = list(next(iter(rows.values())))
    values = [wanted, 1.0, *(value for row in rows.values() for value in row.values())]
    low, high = math.floor(min(values) * 50) / 50, math.ceil(max(values) * 50) / 50
    bottom = _TOP + _ROW * len(rows)
    width, tall = _LEFT + _WIDE + _RIGHT, bottom + 44

    def x(value: float) -> float:
        return _LEFT + _WIDE * (value - low) / (high - low)

    parts = []
    for place, (way, colour) in enumerate(zip(ways, COLOURS, strict=False)):
        left = _LEFT + 120 * place
        parts.append(f'<circle cx="{left + 5}" cy="18" r="5" fill="{colour}"/><text x="{left + 16}" y="22">{escape(way)}</text>')
    step = max(0.02, math.ceil((high - low) / 8 * 50) / 50)
    for tick in range(int((high - low) / step + 1e-9) + 1):
        at = low + tick * step
        parts.append(f'<line x1="{x(at):.1f}" y1="{_TOP - 8}" x2="{x(at):.1f}" y2="{bottom}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{x(at):.1f}" y="{bottom + 15}" text-anchor="middle">{at:.2f}</text>')
    parts.append(
        f'<line x1="{x(wanted):.1f}" y1="{_TOP - 8}" x2="{x(wanted):.1f}" y2="{bottom}" stroke="#555" stroke-dasharray="4 3"/>'
    )
    for place, (name, row) in enumerate(rows.items()):
        y = _TOP + _ROW * (place + 0.5)
        parts.append(f'<text x="{_LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        drawn = reversed(list(zip(ways, COLOURS, strict=False)))
        parts += [f'<circle cx="{x(row[way]):.1f}" cy="{y}" r="5" fill="{colour}" fill-opacity="0.85"/>' for way, colour in drawn]
    parts.append(f'<text x="{_LEFT + _WIDE / 2}" y="{bottom + 34}" text-anchor="middle" fill="#777">{escape(label)}</text>')
    return svg(width, tall, parts)
