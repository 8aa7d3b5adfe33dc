"""The picture of the demo: accuracy over time, as SVG that a page can show without a script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.demo_policies import AUTO
from benchmarks.demo_result import Row
from benchmarks.svg import svg

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
_LETTER = 6.4  # mean width


def drawing(rows: Sequence[Row]) -> str:
    """Accuracy over mean seconds, one point per policy, as SVG."""
    width, height, left, top, wide, high = 720, 400, 60, 20, 520, 320
    most, greatest = max(row.seconds for row in rows) * 1.1, max(row.accuracy for row in rows) + 0.05
    least = min(row.accuracy for row in rows) - 0.05

    def at(accuracy: float) -> float:
        return top + high * (greatest - accuracy) / (greatest - least)

    parts = [
        f'<path d="M{left} {top}V{top + high}H{left + wide}" fill="none" stroke="#999"/>',
        f'<text x="{left + wide / 2}" y="{height - 8}" text-anchor="middle">mean seconds of an answer</text>',
        f'<text x="{left + 6}" y="{top + 10}">accuracy, with its standard error</text>',
    ]
    for tick in range(1, 6):
        accuracy, x = least + (greatest - least) * tick / 5, left + wide * tick / 5
        parts.append(f'<text x="{x:.0f}" y="{top + high + 18}" text-anchor="middle">{most * tick / 5:.2f}</text>')
        parts.append(f'<text x="{left - 8}" y="{at(accuracy) + 4:.0f}" text-anchor="end">{accuracy:.2f}</text>')
    points = [(left + wide * row.seconds / most, at(row.accuracy)) for row in rows]
    for row, (x, y), (end, baseline) in zip(rows, points, _labels(points, [row.policy for row in rows]), strict=True):
        colour = "#0b7a5e" if row.policy.startswith(AUTO) else "#9aa0a6"
        bar = f"M{x:.0f} {at(row.accuracy - row.error):.1f}V{at(row.accuracy + row.error):.1f}"
        parts.append(f'<path d="{bar}" stroke="{colour}"/><circle cx="{x:.0f}" cy="{y:.1f}" r="5" fill="{colour}"/>')
        anchor = "start" if end > x else "end"
        parts.append(f'<text x="{end:.0f}" y="{baseline:.1f}" text-anchor="{anchor}">{escape(row.policy)}</text>')
    return svg(width, height, parts, size=12)


def _labels(points: Sequence[tuple[float, float]], names: Sequence[str]) -> list[tuple[float, float]]:
    """Where the name beside each point begins, or ends if on its left: where it covers no other name and no point, if it can."""
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    found = []
    for (x, y), name in zip(points, names, strict=True):
        places = [(x + side, y + down) for side in (9, -9) for down in (-7, 15, 4)]
        length = _LETTER * len(name)
        boxes = [
            (end if end > x else end - length, baseline - 10, end + length if end > x else end, baseline + 3)
            for end, baseline in places
        ]
        free = [not any(_meet(box, other) for other in taken) for box in boxes]
        chosen = free.index(True) if any(free) else 0
        taken.append(boxes[chosen])
        found.append(places[chosen])
    return found


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
