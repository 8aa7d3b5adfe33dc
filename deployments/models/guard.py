"""Child processes must not outlive this one, however it ends."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable


class Guard:
    """Kills processes as soon as this process is gone, also when it was killed and could not tidy up itself.

    A shell waits at the other end of a pipe; the kernel closes the pipe when this process ends.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        command = ["sh", "-c", 'read -r _; kill -9 "$@" 2>/dev/null', "guard", *map(str, pids)]
        # A session of its own, so that a signal to our process group does not end the guard first.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def dismiss(self) -> None:
        """End the guard; the processes live on."""
        self._process.kill()
        self._process.communicate()
