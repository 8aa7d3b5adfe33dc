"""A circuit breaker: a server that does not answer is left alone until a probe has answered."""

from __future__ import annotations

_LIMIT = 3
"""Failures in a row after which a server counts as down."""


class Breaker:
    """Closed (requests pass) or open (they do not). Only `close`, after a successful probe, ends an open state."""

    def __init__(self) -> None:
        self._failures = 0
        self._last_failed_at = float("-inf")
        self._why: str | None = None

    @property
    def why(self) -> str | None:
        """Why it is open; None while closed."""
        return self._why

    def succeeded(self) -> None:
        """A request was answered."""
        self._failures = 0

    def failed(self, began_at: float, now: float, why: str) -> None:
        """A request that began at `began_at` got no answer; opens at the third in a row.

        Requests that were under way together count once: one lost replica is one failure, however busy it was.
        """
        if began_at < self._last_failed_at:
            return
        self._last_failed_at = now
        self._failures += 1
        if self._failures >= _LIMIT:
            self.open(why)

    def open(self, why: str) -> None:
        """Let nothing pass."""
        self._why = why

    def close(self) -> None:
        """Let requests pass again."""
        self._why = None
        self._failures = 0
