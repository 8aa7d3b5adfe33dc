"""What came to a replica, counted at its door, where too many requests show; completions only say what was possible."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployments.messages import StageReport
from policies.errors import RequestError


class Visit:
    """One request at the replica; `served` is called when it was answered."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.answered = False

    def served(self, report: StageReport) -> None:
        """Its whole answer has been given."""
        self.answered = True
        self._tally.served += 1
        self._tally.service_s += max(0.0, report.seconds - report.wait_s)


class Tally:
    """Totals since the replica started; they only grow, so that a reader who missed some looks misses nothing."""

    def __init__(self) -> None:
        self.arrived = self.served = self.missed = 0
        self.service_s = 0.0
        """Seconds in which the engine worked on the served requests, waiting not counted."""

    @contextmanager
    def visit(self) -> Iterator[Visit]:
        """Around the work for one request. What ends without an answer counts as missed: late, given up or failed.

        A request that no replica could have answered, such as one too long for the model, does not.
        """
        self.arrived += 1
        visit = Visit(self)
        try:
            yield visit
        except RequestError:
            visit.answered = True
            raise
        finally:
            self.missed += not visit.answered

    def totals(self) -> dict[str, float]:
        """By name."""
        return {"arrived": self.arrived, "missed": self.missed, "served": self.served, "service_s": self.service_s}
