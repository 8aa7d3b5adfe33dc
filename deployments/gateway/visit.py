"""One HTTP request while the gateway deals with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.gateway.body import Receive


@dataclass(slots=True)
class Visit:
    """What handlers need of a request, and what they leave behind for the metrics."""

    headers: Mapping[bytes, bytes]
    receive: Receive
    tail: str
    """What follows the route's prefix, e.g. the name in `/v1/models/NAME`."""
    arrived_at: float
    """On the event loop's clock, in seconds."""
    seated_at: float | None = None
    """Since when it holds one of the gateway's seats."""
    status: int = 0
    path: str = ""
    site: str = ""
