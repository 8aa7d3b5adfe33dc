"""The language of scheduling: arrivals to place, servers to place them on, and what was measured afterwards."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from policies.errors import ConfigurationError

if TYPE_CHECKING:
    from policies.schedule.arms import Lesson

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
SENDING_SHARE = 0.25
"""Of its limit, within which a request must have crossed the link (C3): the rest is for the answer. With all of it, a few large
requests fill a link, and all that come after them wait there."""
REFUSED = -1
"""Instead of a server's index: no server can take the request."""


@dataclass(frozen=True, slots=True)
class Server:
    """What is known of a (site, model) pair before anything is measured: its profile.

    A replica works on at most `slots` sequences at once; n of them advance by one token in `step_s + n * step_per_sequence_s`.
    Its power is `idle_w` without work, and from `busy_w` with one sequence to `peak_w` with all slots taken.
    """

    name: str
    cloud: bool
    slots: int
    prefill_tokens_per_s: float
    step_s: float
    step_per_sequence_s: float
    idle_w: float
    busy_w: float
    peak_w: float
    bits_per_s: float
    near_s: float
    """Round trip for a request whose nearest edge is this server."""
    far_s: float
    """Round trip for every other request."""
    replicas: int = 1
    queue: int = 0
    """Requests of each replica that may wait for a slot."""

    @property
    def places(self) -> int:
        """Requests that a replica takes; none if they could only wait."""
        return self.slots + self.queue if self.slots else 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not (math.isfinite(value) and value >= 0):
                raise ConfigurationError(f"Server {self.name}: {field.name} is {value:g}; it must be a number of at least 0.")
        for name in ("prefill_tokens_per_s", "step_s"):
            if getattr(self, name) == 0:
                raise ConfigurationError(f"Server {self.name}: {name} is 0; give the measured rate, which is above 0.")


@dataclass(frozen=True, slots=True)
class Arrivals:
    """K requests to place in one slot, as arrays of shape (K,)."""

    service: Ints
    """Service class, from 0."""
    origin: Ints
    """Index of the nearest edge server, or -1."""
    limit_s: Floats
    """What is left of the time limit D^Δ; above 0."""
    prompt_tokens: Floats
    max_tokens: Floats
    """The caller's bound on the answer, at least 1."""
    bits: Floats
    """Size of the request on the wire."""

    def __len__(self) -> int:
        return len(self.service)

    @property
    def bits_per_s(self) -> Floats:
        """Bandwidth that each needs while it is sent, shape (K,)."""
        needed: Floats = self.bits / (SENDING_SHARE * self.limit_s)
        return needed

    @classmethod
    def one(cls, service: int, origin: int, limit_s: float, prompt_tokens: float, max_tokens: float, bits: float) -> Arrivals:
        """A slot with a single request."""
        floats = np.array((limit_s, prompt_tokens, max_tokens, bits), dtype=np.float64)
        return cls(np.array((service,)), np.array((origin,)), floats[:1], floats[1:2], floats[2:3], floats[3:])


@dataclass(slots=True)
class Ticket:
    """A placed request: what it reserved on its server, until it is released."""

    number: int
    server: int
    generation: int
    """How often the server's index had been taken when this was placed; an older one's outcome belongs to another server."""
    service: int
    placed_s: float
    limit_s: float
    prompt_tokens: float
    max_tokens: float
    bits: float
    expected_s: float
    """The forecast of the latency, without the part on the network."""
    network_s: float
    """The forecast of the part on the network."""
    ahead_bits: float
    """What was already on its way to the server when this was placed."""
    reference_j: float = 0.0
    """Energy that counts as the worst for this request; 0 for a policy that does not look at energy."""
    room: float = 1.0
    """Share of the server's capacity and bandwidth that was left when this was placed, the smaller of both."""
    forecast_s: float = 0.0
    """The latency that was forecast, measurements and a margin included."""
    slack: float = 1.0
    """f(y) as it was forecast: below 0 the request is expected to miss its limit."""
    index: float = 0.0
    """What the server was chosen by."""
    sending: bool = True
    waiting: bool = True
    """Whether the first token is still to come."""
    lesson: Lesson | None = None
    """What its outcome taught a policy that learns from forecasts; None before."""

    @property
    def bits_per_s(self) -> float:
        """Bandwidth that it reserves while it is sent."""
        return self.bits / (SENDING_SHARE * self.limit_s)


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of a placed request; None is what could not be measured."""

    number: int
    """The ticket's."""
    latency_s: float | None
    """From placing to the last byte; None when it was given up or failed."""
    energy_j: float | None = None
    tokens: int | None = None
    """Generated tokens."""
    sending_s: float | None = None
    """Seconds on the way in, waiting for the link included, without the round trip."""
