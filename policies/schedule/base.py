"""The interface of everything that chooses servers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from policies.schedule.board import Board
from policies.schedule.types import REFUSED, Arrivals, Bools, Floats, Measured, Ticket


def best_server(row: Floats, touched: set[int], refresh: Callable[[int], float]) -> int:
    """Index of the highest value of `row`, whose values of `touched` servers are from before they were.

    A reservation only ever lowers what a server promises, so an old value is an upper bound, and only those that come
    first have to be computed anew.
    """
    fresh: set[int] = set()
    while True:
        server = int(row.argmax())
        if server not in touched or server in fresh:
            return server
        row[server] = refresh(server)
        fresh.add(server)


class Scheduler(ABC):
    """Places arrivals on servers and learns from what was measured. Single-threaded; clock and randomness are handed in."""

    def __init__(self, board: Board, services: int, rng: np.random.Generator) -> None:
        """`services` is the number of service classes; `board` is shared with whoever reports what is sent and started."""
        self.board = board
        self.services = services
        self.rng = rng

    def decide(self, arrivals: Arrivals, now: float) -> list[Ticket | None]:
        """One ticket for each request, or None where it is refused; the tickets are on the board then.

        The request with the least time left is placed first, and each sees what those before it reserved (C4: each gets
        one server).
        """
        tickets: list[Ticket | None] = [None] * len(arrivals)
        if not tickets or not len(self.board):
            return tickets
        self.prepare(arrivals, now)
        for k in np.argsort(arrivals.limit_s, kind="stable").tolist() if len(arrivals) > 1 else range(len(arrivals)):
            server = self.choose(arrivals, k)
            if server != REFUSED and self.has_room(server):
                tickets[k] = self.place(arrivals, k, server, now)
        return tickets

    def observe(self, measured: Measured, now: float) -> Ticket | None:
        """Take back a ticket and learn; None, and nothing learnt, for one that is unknown or was observed before."""
        ticket = self.board.release(measured.number)
        if ticket is not None and self.board.generation[ticket.server] == ticket.generation:
            self.learn(ticket, measured, now)
        return ticket

    def sweep(self, now: float) -> None:
        """Give up on outcomes that are long overdue, and learn that they were; to be called now and then."""
        for ticket in self.board.lost(now):
            self.learn(ticket, Measured(ticket.number, None), now)

    def prepare(self, arrivals: Arrivals, now: float) -> None:  # noqa: B027 - most need no preparation
        """Compute what all requests of a slot share."""

    @abstractmethod
    def choose(self, arrivals: Arrivals, k: int) -> int:
        """The server for request `k`, or REFUSED."""

    def place(self, arrivals: Arrivals, k: int, server: int, now: float) -> Ticket:
        """Reserve; a policy that forecasts notes its forecast on the ticket."""
        return self.board.place(arrivals, k, server, now, 0.0, 0.0)

    def learn(self, ticket: Ticket, measured: Measured, now: float) -> None:  # noqa: B027 - most learn nothing
        """Update what is believed of the ticket's server."""

    def open(self) -> Bools:
        """Servers that answer and have room for one more, shape (servers,)."""
        is_open: Bools = self.board.up & (self.board.outstanding < self.board.capacity)
        return is_open

    def has_room(self, server: int) -> bool:
        """Whether `server` answers and can take one more."""
        return bool(self.board.up[server] and self.board.outstanding[server] < self.board.capacity[server])
