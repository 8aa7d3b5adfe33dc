"""How far a start is: one line for each site and deployment, on the standard error."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.status import Status


class Progress:
    """Prints each thing when it is ready; on a terminal it also shows what is being waited for."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._status: Status | None = None
        self._began = time.monotonic()
        self._states: dict[str, str] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status = self._console.status("Starting Ray")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def report(self, name: str, state: str) -> None:
        """Take note that `name` is now `starting` or `ready`."""
        if self._states.get(name) == state:
            return
        self._states[name] = state
        if state == "ready":
            self._console.print(f"{time.monotonic() - self._began:6.1f} s  {name} is ready")
        waiting = ", ".join(n for n, s in self._states.items() if s != "ready")
        if self._status is not None:
            self._status.update(f"Waiting for {waiting}" if waiting else "Waiting for the gateway to answer")

    def stop(self) -> None:
        """Remove the waiting line; what was printed stays."""
        if self._status is not None:
            self._status.stop()
            self._status = None
