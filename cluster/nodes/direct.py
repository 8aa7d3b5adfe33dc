"""HTTP to the cluster itself: never through the proxy of the environment, which would be handed Ray's token."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPResponse

GONE_S = 30.0


def ask(url: str, headers: dict[str, str] | None = None, method: str = "GET", timeout_s: float = 10.0) -> HTTPResponse:
    """The response, to be closed. Raises HTTPError for a status of 400 and above, OSError when nobody answers."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    response: HTTPResponse = direct.open(urllib.request.Request(url, headers=headers or {}, method=method), timeout=timeout_s)
    return response


def answers(url: str) -> bool:
    """Whether `url` answers 200 within a few seconds."""
    try:
        with ask(url, timeout_s=5.0) as response:
            return response.status == 200
    except OSError:
        return False


class Pulse:
    """Tells whether a gateway whose processes are somebody else's still lives."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`url` is that of its health; it counts as alive now. `clock` is in seconds."""
        self._url, self._clock = url, clock
        self._answered_at = clock()

    def alive(self) -> bool:
        """False once it has not answered for GONE_S seconds: a replica that is being replaced is no end."""
        if answers(self._url):
            self._answered_at = self._clock()
        return self._clock() - self._answered_at < GONE_S
