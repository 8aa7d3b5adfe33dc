"""A cluster that outlives the command that started it, and how to stop it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path as FilePath

import psutil

from cluster.nodes import state as states
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
    lines: list[str] = []
    with log.open(encoding="utf-8") as tail:
        try:
            while True:
                code = child.poll()
                fresh = [line.rstrip("\n") for line in tail]
                state = states.read(file)
                if state is not None and state.pid == child.pid and state.phase == "ready":
                    return state.url
                if code is not None:
                    message = "\n".join([*lines, *fresh][-3:]) or f"'isthmus up' ended with code {code}; see {log}."
                    raise ConfigurationError(message) if code == 2 else IsthmusError(message)
                lines.extend(fresh)
                for line in fresh:
                    echo(line)
                time.sleep(0.1)
        except KeyboardInterrupt:
            child.terminate()
            child.wait(STOP_S)
            raise


def stop(file: FilePath) -> int:
    """Stop the cluster of a configuration and return its process id. Raises IsthmusError when none runs."""
    state = states.read(file)
    holder = states.process(state) if state else None
    if holder is None:
        raise IsthmusError(f"No cluster runs for {file}; 'isthmus up' starts one.")
    holder.terminate()
    try:
        holder.wait(STOP_S)
    except psutil.TimeoutExpired:
        raise IsthmusError(f"The cluster (process {holder.pid}) did not stop within {STOP_S:g} s; see its logs.") from None
    return holder.pid
