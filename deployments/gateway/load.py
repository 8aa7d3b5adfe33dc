"""How long a request has to wait for its turn at a server, from how many are there and how long one takes."""

from __future__ import annotations

_SMOOTHING = 0.1
"""Weight of the newest request in the running mean of how long one takes."""


class Load:
    """The work at one server. Its own queue and the engine's count as one, since requests pass through both in order."""

    def __init__(self, places: int) -> None:
        """`places` are the requests that one replica works on at once."""
        self._places = places
        self._takes_s: float | None = None

    def note(self, seconds: float) -> None:
        """A request was worked on for so long, waiting not counted."""
        self._takes_s = seconds if self._takes_s is None else self._takes_s + _SMOOTHING * (seconds - self._takes_s)

    def wait_s(self, present: int, replicas: int) -> float:
        """Seconds until a newcomer's turn with `present` requests there: a place becomes free every mean ÷ places seconds."""
        places = self._places * max(1, replicas)
        if present < places or self._takes_s is None:
            return 0.0
        return self._takes_s * (present - places + 1) / places
