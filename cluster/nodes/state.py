"""What a running cluster leaves on disk, so that `isthmus status` and `isthmus down` find it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import Literal

import psutil

from policies.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class State:
    """One cluster started from one configuration; it lives as long as the process that started it."""

    pid: int
    born: float
    """Creation time of the process, since a pid is given again."""
    phase: Literal["starting", "ready"]
    url: str
    """Address of the gateway."""
    dashboard: str
    """Address of Ray's dashboard, whose REST interface tells the status."""
    temporary: str | None
    """RAY_TMPDIR of a local cluster, with the logs of Ray and of all replicas; None when the nodes are somebody else's."""


def folder_of(configuration: FilePath) -> FilePath:
    """The folder `.isthmus` beside a configuration, made if missing and kept out of git and of other users' reach."""
    folder = configuration.parent / ".isthmus"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be written ({error.strerror}); the running cluster is kept track of there."
        ) from None
    return folder


@contextmanager
def alone(configuration: FilePath) -> Iterator[None]:
    """Hold the cluster of a configuration; the system frees it when the process ends, however that happens.

    Raises ConfigurationError when another process holds it.
    """
    with (folder_of(configuration) / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(_held(configuration)) from None
        yield


def own(phase: Literal["starting", "ready"], url: str, dashboard: str, temporary: FilePath | None) -> State:
    """The state of a cluster held by this process."""
    return State(os.getpid(), psutil.Process().create_time(), phase, url, dashboard, str(temporary) if temporary else None)


def write(folder: FilePath, state: State) -> None:
    """Replace the state file in one step, so that no reader sees half of it."""
    draft = folder / f"cluster.json.{os.getpid()}"
    draft.write_text(json.dumps(asdict(state)), encoding="utf-8")
    draft.replace(folder / "cluster.json")


def read(configuration: FilePath) -> State | None:
    """The cluster that runs for a configuration; None when none does."""
    state = last(configuration)
    return state if state is not None and process(state) is not None else None


def last(configuration: FilePath) -> State | None:
    """The last cluster of a configuration that was not stopped in order: it runs, or its process was killed."""
    try:
        return State(**json.loads((configuration.parent / ".isthmus" / "cluster.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def process(state: State) -> psutil.Process | None:
    """The process that holds the cluster; None when it has ended."""
    try:
        found = psutil.Process(state.pid)
        alive = abs(found.create_time() - state.born) < 1 and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return found if alive else None


def _held(configuration: FilePath) -> str:
    there = read(configuration)
    if there is None:
        return f"Another 'isthmus up' or 'isthmus down' of {configuration} has just begun; wait until it is done."
    return f"A cluster for {configuration} is running already (process {there.pid}, {there.url}); stop it with 'isthmus down'."


def forget(folder: FilePath) -> None:
    """Remove the state file of a cluster that has ended."""
    (folder / "cluster.json").unlink(missing_ok=True)
