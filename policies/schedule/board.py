"""What a gateway knows of the servers at this moment: their profile, and what it has placed there and not got back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from policies.schedule.types import Arrivals, Floats, Server, Ticket

LOST_AFTER = 4.0
"""A ticket without any answer is taken for lost after this many times its limit."""


class Board:
    """Arrays of shape (servers,) and the tickets behind them. A server that left keeps its index until another takes it."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self.servers: list[Server] = []
        self.tickets: dict[int, Ticket] = {}
        self._next = 0
        self._index: dict[str, int] = {}
        self.generation: list[int] = []
        self._allocate(max(1, len(servers)))
        for server in servers:
            self.join(server)

    def __len__(self) -> int:
        return len(self.servers)

    def __contains__(self, name: str) -> bool:
        """Whether the server called `name` is there."""
        return name in self._index

    def index(self, name: str) -> int:
        """Index of the server called `name`. Raises KeyError when it is not on the board."""
        return self._index[name]

    def join(self, server: Server) -> int:
        """Add a server, or replace the profile of the one with its name (a changed number of replicas, say)."""
        i = self._index.get(server.name)
        if i is None:
            i = self._free_index(server.name)
            self._index[server.name] = i
            self.generation[i] += 1
            self.outstanding[i] = self.reserved_bits_per_s[i] = self.sending_bits[i] = self.waiting_tokens[i] = 0.0
            self.elsewhere[i] = 0.0
        self.servers[i] = server
        replicas = server.replicas
        self.cloud[i] = server.cloud
        self.capacity[i] = replicas * server.places
        self.slots[i] = replicas * server.slots
        self.bandwidth[i] = self.profile_bandwidth[i] = server.bits_per_s
        self.replicas[i] = replicas
        # An empty server's times are finite, so that a forecast never holds NaN; its capacity of 0 keeps requests away.
        self.prefill_s[i] = 1.0 / (server.prefill_tokens_per_s * max(1, replicas))
        self.step_s[i] = server.step_s
        self.step_per_sequence_s[i] = server.step_per_sequence_s / max(1, replicas)
        self.near_s[i], self.far_s[i] = server.near_s, server.far_s
        self.up[i] = True
        return i

    def leave(self, name: str) -> None:
        """The server is gone; what was placed there is released. Unknown names are ignored."""
        i = self._index.pop(name, None)
        if i is not None:
            self.up[i] = False
            for ticket in [ticket for ticket in self.tickets.values() if ticket.server == i]:
                self.release(ticket.number)

    def measured_link(self, i: int, round_trip_s: float, bits_per_s: float) -> None:
        """The network between here and server `i` is like this now, whatever its profile says."""
        self.near_s[i] = self.far_s[i] = round_trip_s
        self.bandwidth[i] = self.profile_bandwidth[i] = bits_per_s

    def place(self, arrivals: Arrivals, k: int, server: int, now: float, expected_s: float, network_s: float) -> Ticket:
        """Reserve what request `k` needs on `server` (C2, C3) and return its ticket."""
        ticket = Ticket(
            number=self._next,
            server=server,
            generation=self.generation[server],
            service=int(arrivals.service[k]),
            placed_s=now,
            limit_s=float(arrivals.limit_s[k]),
            prompt_tokens=float(arrivals.prompt_tokens[k]),
            max_tokens=float(arrivals.max_tokens[k]),
            bits=float(arrivals.bits[k]),
            expected_s=expected_s,
            network_s=network_s,
            ahead_bits=float(self.sending_bits[server]),
        )
        self._next += 1
        self.tickets[ticket.number] = ticket
        self.outstanding[server] += 1
        self.reserved_bits_per_s[server] += ticket.bits_per_s
        self.sending_bits[server] += ticket.bits
        self.waiting_tokens[server] += ticket.prompt_tokens
        return ticket

    def sent(self, number: int) -> None:
        """The request has left the link and arrived. Unknown tickets are ignored, as by `started` and `release`."""
        ticket = self.tickets.get(number)
        if ticket is not None and ticket.sending:
            ticket.sending = False
            self.sending_bits[ticket.server] -= ticket.bits
            self.reserved_bits_per_s[ticket.server] -= ticket.bits_per_s

    def started(self, number: int) -> None:
        """The first token has come."""
        self.sent(number)
        ticket = self.tickets.get(number)
        if ticket is not None and ticket.waiting:
            ticket.waiting = False
            self.waiting_tokens[ticket.server] -= ticket.prompt_tokens

    def release(self, number: int) -> Ticket | None:
        """Give back what the ticket reserved; None when it is unknown or was released before."""
        self.started(number)
        ticket = self.tickets.pop(number, None)
        if ticket is None:
            return None
        i = ticket.server
        self.outstanding[i] -= 1
        if not self.outstanding[i]:  # floats that were added in another order do not cancel exactly
            self.reserved_bits_per_s[i] = self.sending_bits[i] = self.waiting_tokens[i] = 0.0
        return ticket

    def lost(self, now: float) -> list[Ticket]:
        """Release the tickets that nobody answered for in `LOST_AFTER` limits, and return them."""
        late = [t for t in self.tickets.values() if now - t.placed_s > LOST_AFTER * t.limit_s]
        for ticket in late:
            self.release(ticket.number)
        return late

    def check(self) -> None:
        """Raise AssertionError unless the arrays agree with the tickets; for tests and idle moments."""
        outstanding = np.zeros(len(self))
        reserved = np.zeros(len(self))
        for ticket in self.tickets.values():
            outstanding[ticket.server] += 1
            reserved[ticket.server] += ticket.bits_per_s if ticket.sending else 0.0
        assert np.array_equal(outstanding, self.outstanding)
        assert np.allclose(
            reserved, self.reserved_bits_per_s, atol=1.0
        )  # a bit per second may stay of a terabit that was released

    def _free_index(self, name: str) -> int:
        """One that nobody has, its old one first for a server that comes back."""
        taken = set(self._index.values())
        free = [i for i in range(len(self.servers)) if i not in taken]
        if free:
            return next((i for i in free if self.servers[i].name == name), free[0])
        if len(self.servers) == self._room:
            self._allocate(2 * self._room)
        self.servers.append(_NOBODY)
        self.generation.append(0)
        self._window()
        return len(self.servers) - 1

    def _allocate(self, room: int) -> None:
        """Arrays with room for more, of which the public ones are views of the part in use."""
        old = getattr(self, "_numbers", np.zeros((_NUMBERS, 0)))
        flags = getattr(self, "_flags", np.zeros((2, 0), dtype=bool))
        self._room = room
        self._numbers: Floats = np.zeros((_NUMBERS, room))
        self._numbers[:, : old.shape[1]] = old
        self._flags = np.zeros((2, room), dtype=bool)
        self._flags[:, : flags.shape[1]] = flags
        self._window()

    def _window(self) -> None:
        """`elsewhere` counts requests at each server that other gateways have placed, as far as this one was told."""
        n = len(self.servers)
        (
            self.capacity,
            self.slots,
            self.replicas,
            self.bandwidth,
            self.profile_bandwidth,
            self.prefill_s,
            self.step_s,
            self.step_per_sequence_s,
            self.near_s,
            self.far_s,
            self.outstanding,
            self.reserved_bits_per_s,
            self.sending_bits,
            self.waiting_tokens,
            self.elsewhere,
        ) = self._numbers[:, :n]
        self.up, self.cloud = self._flags[:, :n]


_NUMBERS = 15
_NOBODY = Server("", False, 0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, replicas=0)
