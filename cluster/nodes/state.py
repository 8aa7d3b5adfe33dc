"""What a running cluster leaves on disk, so that `isthmus status` and `isthmus down` find it."""

from __future__ import annotations

import json
import os
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
    logs: str
    """Folder with the logs of Ray and of all replicas."""


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


def own(phase: Literal["starting", "ready"], url: str, dashboard: str, logs: FilePath) -> State:
    """The state of a cluster held by this process."""
    return State(os.getpid(), psutil.Process().create_time(), phase, url, dashboard, str(logs))


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


def forget(folder: FilePath) -> None:
    """Remove the state file of a cluster that has ended."""
    (folder / "cluster.json").unlink(missing_ok=True)
