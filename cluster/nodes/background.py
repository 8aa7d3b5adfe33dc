"""A cluster that outlives the command that started it, and how to stop it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path as FilePath

import psutil

from cluster.nodes import interrupt
from cluster.nodes import state as states
from cluster.nodes.local import remove_leftovers
from policies.errors import ConfigurationError, IsthmusError

STOP_S = 60.0
"""Seconds that a cluster may take to stop: a vLLM engine needs a while to let go."""


def start(file: FilePath, timeout_s: float, echo: Callable[[str], None]) -> str:
    """Start `isthmus up` in a session of its own and return its URL once it is ready; its output goes to `echo` and a log.

    Raises ConfigurationError or IsthmusError with what it printed when it ends before.
    """
    log = states.folder_of(file) / "up.log"
    command = [sys.executable, "-m", "cluster.cli", "up", "--config", str(file), "--timeout", str(timeout_s)]
    with log.open("w+", encoding="utf-8") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    try:
        with log.open(encoding="utf-8") as tail:
            return _follow(child, file, tail, echo)
    except KeyboardInterrupt:
        child.terminate()
        child.wait(STOP_S)
        raise


def _follow(child: subprocess.Popen[bytes], file: FilePath, log: Iterable[str], echo: Callable[[str], None]) -> str:
    """Echo what is ready as it comes; all other lines are what `isthmus up` has to say when it ends early."""
    sentences: list[str] = []
    while True:
        interrupt.check()
        code = child.poll()  # before the log is read, so that nothing written before the end is missed
        for line in log:
            if line.rstrip().endswith(" is ready"):
                echo(line.rstrip())
            else:
                sentences.append(line.rstrip())
        state = states.read(file)
        if state is not None and state.pid == child.pid and state.phase == "ready":
            return state.url
        if code is not None:
            message = "\n".join(filter(None, sentences)) or f"'isthmus up' ended with code {code} and said nothing."
            raise ConfigurationError(message) if code == 2 else IsthmusError(message)
        time.sleep(0.1)


def stop(file: FilePath) -> int:
    """Stop the cluster of a configuration, or what is left of it, and return its process id.

    Raises IsthmusError when none runs.
    """
    state = states.last(file)
    if state is None:
        raise IsthmusError(f"No cluster runs for {file}; 'isthmus up' starts one.")
    holder = states.process(state)
    if holder is None:
        _clear(state, file)
        return state.pid
    holder.terminate()
    try:
        holder.wait(STOP_S)
    except psutil.TimeoutExpired:
        raise IsthmusError(f"The cluster (process {holder.pid}) did not stop within {STOP_S:g} s; see its logs.") from None
    return holder.pid


def _clear(killed: states.State, file: FilePath) -> None:
    """Remove a cluster whose process was killed."""
    if killed.temporary is None:
        raise IsthmusError(
            f"The process behind {killed.url} was killed, but its application runs on, on the nodes that it had joined; "
            "'isthmus up' takes it over, and 'isthmus down' then ends it."
        )
    with states.alone(file):
        remove_leftovers(FilePath(killed.temporary))
        states.forget(states.folder_of(file))
