"""How long a request may take."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from cluster.haproxy import ARRIVAL_HEADER
from policies.types import Slo

_ARRIVAL = ARRIVAL_HEADER.encode()
_MAX_TRANSIT_S = 60.0
"""An arrival longer ago than this is a wrong clock, not a slow way through HAProxy."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """Times of the event loop's clock, in seconds."""

    arrived_at: float
    limit_s: float
    """Seconds from arrival to the end of the answer."""
    first_token_limit_s: float
    """Seconds from arrival to its first token; never more than `limit_s`."""

    @classmethod
    def of(cls, slo: Slo, arrived_at: float, default_s: float) -> Deadline:
        """The limits of `slo`; `default_s` where it names none."""
        limit_s = default_s if slo.max_latency_s is None else slo.max_latency_s
        return cls(arrived_at, limit_s, limit_s if slo.max_ttft_s is None else min(slo.max_ttft_s, limit_s))

    @property
    def at(self) -> float:
        """When the answer must be complete."""
        return self.arrived_at + self.limit_s

    @property
    def first_token_at(self) -> float:
        """When its first token must be there."""
        return self.arrived_at + self.first_token_limit_s


def arrival(headers: Mapping[bytes, bytes], now: float) -> float:
    """When a request reached HAProxy, on the clock of `now` (time.monotonic); `now` when HAProxy did not say.

    HAProxy stamps requests with its wall clock (see `cluster.haproxy`); it runs on the gateway's machine. Without it the
    time before the gateway's event loop took the request up is not counted.
    """
    stamp = headers.get(_ARRIVAL)
    if stamp is None or not stamp.isdigit():
        return now
    transit_s = time.time() - int(stamp) / 1e6
    return now - transit_s if 0 <= transit_s <= _MAX_TRANSIT_S else now
