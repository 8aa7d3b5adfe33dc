"""Ctrl-C and SIGTERM as KeyboardInterrupt, for a process that starts others.

Python drops what is raised in the callbacks around a fork and in finalizers. An interrupt that comes there would be lost, so it
is remembered, and whoever waits asks for it.
"""

from __future__ import annotations

import signal
from types import FrameType

_asked = False


def listen() -> None:
    """Handle both from now on. Main thread only."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def check() -> None:
    """Raise KeyboardInterrupt if one was asked for, also one that was dropped."""
    if _asked:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
    raise KeyboardInterrupt
