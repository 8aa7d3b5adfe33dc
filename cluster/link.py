"""A network between edge and cloud where there is none: on one machine a WAN has to be emulated."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal

from cluster.config.sites import Link
from cluster.trace import Trace, read_trace

Direction = Literal["up", "down"]
"""`up` from edge to cloud, `down` from cloud to edge; the two do not share bandwidth."""


class EmulatedLink:
    """Delays what crosses between the tiers as a link with this round trip and bandwidth would.

    Transfers in one direction leave one after the other; each then takes half a round trip to arrive. The
    state lives in this process: several gateways on one machine emulate a link each.
    """

    def __init__(
        self,
        link: Link,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`clock` and `sleep` are in seconds. Raises ConfigurationError when the trace file is missing or not a trace."""
        self._link = link
        self._trace = read_trace(link.trace) if link.trace else _constant(link.mbps)
        self._clock, self._sleep = clock, sleep
        self._began = clock()
        self._free_at: dict[Direction, float] = {"up": self._began, "down": self._began}

    async def cross(self, num_bytes: int, direction: Direction = "up") -> float:
        """Return when the last of `num_bytes` has arrived; the result is the seconds that this took, queueing included."""
        now = self._clock()
        leaves = max(now, self._free_at[direction])
        if self._trace is not None:
            leaves += self._trace.seconds(8 * num_bytes, leaves - self._began)
        self._free_at[direction] = leaves
        wait_s = leaves + self._link.rtt_s / 2 - now
        await self._sleep(wait_s)
        return wait_s

    def describe(self) -> str:
        """What answers and reports say about the link, e.g. `emulated: 40 ms round trip, 100 Mbit/s`."""
        if self._link.trace is not None and self._trace is not None:
            bandwidth = f"trace {self._link.trace.name} (mean {self._trace.mean_bits_per_s / 1e6:.3g} Mbit/s)"
        else:
            bandwidth = "unlimited bandwidth" if self._link.mbps is None else f"{self._link.mbps:g} Mbit/s"
        return f"emulated: {self._link.rtt_s * 1e3:g} ms round trip, {bandwidth}"


def _constant(mbps: float | None) -> Trace | None:
    return None if mbps is None else Trace([0.0, 1.0], [mbps * 1e6])
