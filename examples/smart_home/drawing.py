"""Curves as an SVG file, without a plotting library."""

from collections.abc import Mapping, Sequence
from pathlib import Path

_WIDTH, _HEIGHT, _MARGIN = 720, 300, 46
_COLOURS = ("#1f6feb", "#cf222e", "#1a7f37", "#9a6700", "#8250df", "#57606a")

Points = Sequence[tuple[float, float]]


def draw_curves(file: Path, title: str, across: str, curves: Mapping[str, Points], top: float) -> None:
    """Lines named by `curves` over a common axis `across`; the vertical axis runs from 0 to `top`."""
    right = max((x for points in curves.values() for x, _ in points), default=1.0)
    parts = [_frame(title, across, right, top)]
    for number, (name, points) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        line = " ".join(f"{_x(x, right):.1f},{_y(min(y, top), top):.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(_text(_WIDTH - _MARGIN + 6, _MARGIN + 16 * number, name, f'fill="{colour}"'))
    box = f'viewBox="0 0 {_WIDTH + 90} {_HEIGHT}" width="{_WIDTH + 90}" height="{_HEIGHT}"'
    body = "\n".join(parts)
    file.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" font-size="12">\n{body}\n</svg>\n')


def _frame(title: str, across: str, right: float, top: float) -> str:
    left, bottom = _x(0, right), _y(0, top)
    axes = f'<path d="M{left},{_MARGIN} V{bottom} H{_x(right, right)}" fill="none" stroke="black"/>'
    marks = ['<rect width="100%" height="100%" fill="white"/>', axes]
    marks.append(_text(_MARGIN, 20, title, 'font-weight="bold"'))
    marks.append(_text(_WIDTH / 2, _HEIGHT - 8, across, 'text-anchor="middle"'))
    for step in range(5):
        share = step / 4
        marks.append(_text(left - 6, _y(share * top, top) + 4, f"{share * top:g}", 'text-anchor="end"'))
        marks.append(_text(_x(share * right, right), bottom + 16, f"{share * right:.2g}", 'text-anchor="middle"'))
    return "\n".join(marks)


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{text}</text>'


def _x(value: float, right: float) -> float:
    return _MARGIN + value / right * (_WIDTH - 2 * _MARGIN)


def _y(value: float, top: float) -> float:
    return _HEIGHT - _MARGIN - value / top * (_HEIGHT - 2 * _MARGIN)
