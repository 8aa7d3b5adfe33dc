"""One request's place at a server: from the choice of the server to what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployments.messages import StageReport
from policies.schedule.types import Ticket

if TYPE_CHECKING:
    from deployments.gateway.client import ModelClient
    from deployments.gateway.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Need:
    """What a request asks of whichever server takes it. Times on the event loop's clock."""

    service: int
    """Its class, see `policies.experience`."""
    size: int
    """Bytes of its text."""
    max_tokens: int
    until: float
    """When its answer must be complete."""
    limited: bool = False
    """The caller named that time; else it is only the gateway's own, and being quick is better than using all of it."""
    strict: bool = False
    """Rather refuse than be late."""


class Placement:
    """Ended once, by whatever comes first: an answer, a failure, or `withdraw`. What comes later is ignored."""

    __slots__ = ("_fleet", "client", "need", "reason", "ticket")

    def __init__(
        self, client: ModelClient, need: Need, fleet: Fleet | None = None, ticket: Ticket | None = None, reason: str = ""
    ) -> None:
        """Without a `fleet` nothing is accounted for; without a `ticket` there was nothing to choose."""
        self.client = client
        self.need = need
        self.ticket = ticket
        self.reason = reason
        """Why this server; empty if there is no other."""
        self._fleet = fleet

    @property
    def expected_s(self) -> float | None:
        """Seconds until the answer, as far as measurements tell; None before the first."""
        if self._fleet is None or (usual_s := self._fleet.usual_s(self.need)) is None:
            return None
        return self.ticket.forecast_s if self.ticket is not None else usual_s + self.client.wait_s

    def sent(self) -> None:
        """The request has crossed the link."""
        if self._fleet is not None and self.ticket is not None:
            self._fleet.board.sent(self.ticket.number)

    def started(self) -> None:
        """The first word has come."""
        if self._fleet is not None and self.ticket is not None:
            self._fleet.board.started(self.ticket.number)

    def answered(self, report: StageReport, on_the_way_s: float, bits: float) -> None:
        """The whole answer is there; of its time `on_the_way_s` were spent outside the engine, by messages of `bits`."""
        fleet, self._fleet = self._fleet, None
        if fleet is not None:
            fleet.answered(self, report, on_the_way_s, bits)

    def failed(self) -> None:
        """The server was late or could not do it."""
        fleet, self._fleet = self._fleet, None
        if fleet is not None:
            fleet.failed(self)

    def withdraw(self) -> None:
        """Nothing can be said of the server: the caller left, or the server was never asked."""
        fleet, self._fleet = self._fleet, None
        if fleet is not None and self.ticket is not None:
            fleet.board.release(self.ticket.number)
