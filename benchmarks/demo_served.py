"""The profile that a running gateway decides by, with and without what adaptive paths are learnt from."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import httpx

from cluster.profile.signals import FILE
from policies.errors import IsthmusError
from policies.types import GOES_ON

_WAIT_S = 90.0


class Served:
    """A copy of a profile; its gateway sees that it has changed, and learns anew."""

    def __init__(self, folder: Path, profile: Path) -> None:
        self.folder = folder
        self.url = ""
        """Of the gateway, once it runs."""
        self._signals = profile / FILE
        self._adaptive: bool | None = None
        shutil.copytree(profile, folder, dirs_exist_ok=True)

    def serve(self, *, adaptive: bool) -> None:
        """Return once the gateway decides with or without adaptive paths. Raises IsthmusError if that does not come about,
        as when no adaptive path has proved itself on the profile."""
        if self._adaptive is adaptive:
            return
        if adaptive:
            shutil.copy(self._signals, self.folder / FILE)
        else:
            (self.folder / FILE).unlink(missing_ok=True)
        until = time.monotonic() + _WAIT_S
        while self._has_adaptive() is not adaptive:
            if time.monotonic() > until:
                raise IsthmusError(
                    f"The gateway did not learn {'' if adaptive else 'to do without '}adaptive paths in {_WAIT_S:g} s."
                )
            time.sleep(0.5)
        self._adaptive = adaptive

    def _has_adaptive(self) -> bool:
        names = httpx.get(f"{self.url}/v1/models", trust_env=False).json()["data"]
        return any(GOES_ON in card["id"] for card in names)
