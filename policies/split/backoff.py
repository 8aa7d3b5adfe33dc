"""When to try a cloud again that did not answer."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST_S = 0.5
_LONGEST_S = 30.0


@dataclass(slots=True)
class Backoff:
    """Pauses that double with every failure. Times are of whatever clock the caller keeps to."""

    failures: int = 0
    until: float = 0.0

    def failed(self, now: float) -> None:
        """A question was lost."""
        self.until = now + min(_LONGEST_S, _FIRST_S * 2.0**self.failures)
        self.failures += 1

    def succeeded(self) -> None:
        """An answer came."""
        self.failures = 0
        self.until = 0.0

    def allows(self, now: float) -> bool:
        """Whether to ask at all."""
        return now >= self.until
