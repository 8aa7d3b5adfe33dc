"""From whoever generates to whoever listens: text gathers until it is taken, so that a slow listener costs nothing."""

from __future__ import annotations

import asyncio
from threading import Lock

from deployments.messages import Delta


class Inbox:
    """What an engine has said and nobody has taken yet. Filled from any thread, emptied on the event loop that made it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._text: list[str] = []
        self._last: Delta | None = None
        self._error: Exception | None = None
        self._waking = False
        self._filled = asyncio.Event()
        self.closed = asyncio.Event()
        """Set on the loop when nothing more will come."""

    def put(self, delta: Delta) -> None:
        """Add a delta; one with a finish reason is the last."""
        with self._lock:
            self._text.append(delta.text)
            if delta.finish_reason is not None:
                self._last = delta
            if delta.text or self._last:
                self._wake_once()

    def fail(self, error: Exception) -> None:
        """End with `error`, which is raised after all text has been taken. Ignored when the last delta has come."""
        with self._lock:
            if self._last is None and self._error is None:
                self._error = error
                self._wake_once()

    async def take(self) -> Delta:
        """All text that has come, as one delta; waits until there is something. Raises the error that ended it."""
        await self._filled.wait()
        with self._lock:
            text = "".join(self._text)
            self._text.clear()
            if self._error is None:
                self._filled.clear()
                return Delta(text, self._last.finish_reason, self._last.report) if self._last else Delta(text)
            if text:
                return Delta(text)
            raise self._error

    def _wake_once(self) -> None:
        # However many tokens come before the loop gets to run, it is woken once.
        if not self._waking:
            self._waking = True
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        with self._lock:
            self._waking = False
            self._filled.set()
            if self._last or self._error:
                self.closed.set()
