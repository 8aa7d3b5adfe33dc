"""A circuit breaker: a server that does not answer is left alone until a probe has answered, and then tried with care."""

from __future__ import annotations

_LIMIT = 3
"""Failures in a row after which a server counts as down."""
_PATIENCE_S, _LONGEST_S = 2.0, 60.0
"""How long a server that failed its trial is left alone: first, and at most, doubling each time."""


class Breaker:
    """Closed (requests pass), open (they do not) or, between both, half open: the next failure opens it again at once.

    A health check may answer while requests hang, so a probe only makes it half open; an answered request closes it.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._last_failed_at = float("-inf")
        self._why: str | None = None
        self._trying = False
        self._patience_s = _PATIENCE_S
        self._again_at = float("-inf")

    @property
    def why(self) -> str | None:
        """Why it is open; None while closed or half open."""
        return self._why

    @property
    def half_open(self) -> bool:
        """Whether the next request is a trial."""
        return self._trying

    def succeeded(self) -> None:
        """A request was answered."""
        self._failures = 0
        self._trying = False
        self._patience_s = _PATIENCE_S

    def failed(self, began_at: float, now: float, why: str) -> None:
        """A request that began at `began_at` got no answer; opens at the third in a row, or at the first of a trial.

        Requests that were under way together count once: one lost replica is one failure, however busy it was.
        """
        if began_at < self._last_failed_at:
            return
        self._last_failed_at = now
        self._failures += 1
        if self._trying:
            self._again_at = now + self._patience_s
            self._patience_s = min(2 * self._patience_s, _LONGEST_S)
        if self._trying or self._failures >= _LIMIT:
            self.open(why)

    def open(self, why: str) -> None:
        """Let nothing pass."""
        self._why = why
        self._trying = False

    def may_be_tried(self, now: float) -> bool:
        """Whether it is open, and has been for long enough to be probed."""
        return self._why is not None and now >= self._again_at

    def try_out(self) -> None:
        """A probe has answered: let requests pass, on trial."""
        self._why = None
        self._failures = 0
        self._trying = True
