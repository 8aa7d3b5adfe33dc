"""The frame of a picture as SVG that a page can show without a script."""

from __future__ import annotations

from collections.abc import Sequence


def svg(width: int, height: int, parts: Sequence[str], size: int = 11) -> str:
    """`parts` on white, with text of `size` pixels."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="{size}" fill="#333">'
    )
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="#fff"/>', *parts, "</svg>"]) + "\n"
