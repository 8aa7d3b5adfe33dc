"""The Ray nodes of a cluster on this machine: the head at the edge and one more node for each further site."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import psutil

from cluster.config import Config
from cluster.config.sites import Site
from policies.errors import IsthmusError

LOOPBACK = "127.0.0.1"
OBJECT_STORE_BYTES = 128 * 1024 * 1024
"""Shared memory per node: prompts and answers travel inline, nothing large is stored."""


class LocalNodes:
    """Starts Ray nodes as children of this process and stops them with all their descendants.

    `ray start` cannot keep to the loopback interface (it replaces 127.0.0.1 by the machine's outward address and
    then listens on all interfaces), `ray.cluster_utils.Cluster` can. Linux kills the nodes when the thread that
    started them ends, so call `start` from the main thread.
    """

    def __init__(self, temporary: FilePath) -> None:
        """`temporary` is the RAY_TMPDIR of the cluster, of no other one's."""
        self._temporary = temporary
        self._cluster: Any = None
        self._others = {child.pid for child in psutil.Process().children()}

    def start(self, config: Config, report: Callable[[str, str], None]) -> str:
        """Start the head and the other sites; `report(site, state)` tells how far it is.

        Returns the address for `ray.init`. Raises IsthmusError when a node does not come up.
        """
        from ray.cluster_utils import Cluster

        logging.getLogger("ray").setLevel(logging.ERROR)
        self._cluster = Cluster()
        cluster, head = config.cluster, config.cluster.head
        self._add(
            head,
            report,
            gcs_server_port=cluster.port,
            include_dashboard=True,
            dashboard_host=LOOPBACK,
            dashboard_port=cluster.dashboard_port,
            dashboard_agent_listen_port=0,
        )
        for site in cluster.sites:
            if site is not head:
                self._add(site, report)
        return str(self._cluster.address)

    def alive(self) -> bool:
        """Whether every process of every node still runs."""
        return bool(self._cluster.remaining_processes_alive())

    def stop(self) -> None:
        """Stop every process that was started here, in whatever state it is; harmless when nothing was."""
        import ray

        ours = self._descendants()
        with contextlib.suppress(Exception):
            ray.shutdown()
        if self._cluster is not None:
            with contextlib.suppress(Exception):
                self._cluster.shutdown()
            self._cluster = None
        _end(ours | self._descendants())
        end_leftovers(self._temporary)

    def _add(self, site: Site, report: Callable[[str, str], None], **head_only: object) -> None:
        report(site.name, "starting")
        try:
            self._cluster.add_node(
                wait=False,
                node_ip_address=LOOPBACK,
                num_cpus=site.cpus,
                num_gpus=site.gpus,
                memory=int(site.memory_gib * 2**30),
                object_store_memory=OBJECT_STORE_BYTES,
                labels={"tier": site.tier, "site": site.name},
                include_log_monitor=False,
                **head_only,
            )
        except Exception as error:
            cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise IsthmusError(f"The Ray node of site {site.name} did not start: {cause}") from error
        report(site.name, "ready")

    def _descendants(self) -> set[psutil.Process]:
        """Children of this process and theirs, but for those that were there before."""
        children = [child for child in psutil.Process().children() if child.pid not in self._others]
        found = set(children)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                found.update(child.children(recursive=True))
        return found


def end_leftovers(temporary: FilePath) -> None:
    """End what a cluster left behind: a process that was just being born, or all of them when its holder was killed."""
    while left := {process for process in psutil.process_iter() if _belongs(process, temporary)}:
        _end(left)


def remove_leftovers(temporary: FilePath) -> None:
    """End what a cluster left behind and remove its folder, logs included."""
    end_leftovers(temporary)
    shutil.rmtree(temporary, ignore_errors=True)


def _belongs(process: psutil.Process, temporary: FilePath) -> bool:
    """Whether a process of this user inherited the cluster's variables, or writes its logs.

    A process that Ray has given a title, like `ray::RuntimeEnvAgent`, has it written over its variables.
    """
    try:
        if process.pid == os.getpid():
            return False
        if process.environ().get("RAY_TMPDIR") == str(temporary):
            return True
        titled = "".join(process.cmdline()[:1]).startswith("ray::")
        return titled and any(temporary in FilePath(file.path).parents for file in process.open_files())
    except psutil.Error:
        return False


def _end(processes: set[psutil.Process]) -> None:
    """Ask the processes to end, and after a moment make them; psutil knows a process from another with its pid."""
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                end(process)
        processes = {
            p for p in psutil.wait_procs(processes, timeout=3)[1] if p.is_running() and p.status() != psutil.STATUS_ZOMBIE
        }
        if not processes:
            return
