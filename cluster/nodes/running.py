"""A whole cluster as one `with` block: everything it started is stopped at its end, however that comes about."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath

from cluster.checks import refuse_to_start
from cluster.config import Config
from cluster.nodes import state as states
from cluster.nodes.application import IMPORT_PATH, NAME, cause, deploy, readable_url, wait_until_ready
from cluster.nodes.direct import Pulse
from cluster.nodes.inventory import retire
from cluster.nodes.local import LOOPBACK, LocalNodes, remove_leftovers
from cluster.nodes.variables import application_variables, local_variables, token_file
from cluster.orchestrator.handle import end as end_orchestrator
from policies.errors import IsthmusError

Report = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Running:
    """A cluster that answers."""

    url: str
    dashboard: str
    alive: Callable[[], bool]
    """False once a Ray process has died or, on the nodes of others, the gateway has."""


@contextlib.contextmanager
def running(
    config: Config, file: FilePath, timeout_s: float, report: Report, import_path: str = IMPORT_PATH
) -> Iterator[Running]:
    """Start (or join) the cluster of the configuration `file`, deploy the application and wait until it is ready.

    Must be entered once, in the main thread of a process that has not imported Ray. Raises ConfigurationError when
    it runs already or cannot start, IsthmusError when a node or a deployment does not come up.
    """
    with states.alone(file):
        killed = states.last(file)
        if killed is not None and killed.temporary is not None:
            remove_leftovers(FilePath(killed.temporary))
        refuse_to_start(config, file)
        start = _joined if config.cluster.address else _local
        folder = states.folder_of(file)
        try:
            with start(config, file, folder, timeout_s, report, import_path) as cluster:
                yield cluster
        finally:
            states.forget(folder)


@contextlib.contextmanager
def _local(
    config: Config, file: FilePath, folder: FilePath, timeout_s: float, report: Report, import_path: str
) -> Iterator[Running]:
    temporary = FilePath(tempfile.mkdtemp(prefix="isthmus-", dir="/tmp"))
    url, dashboard = readable_url(config), f"http://{LOOPBACK}:{config.cluster.dashboard_port}"
    os.environ.update(local_variables(config, file, folder, temporary))
    states.write(folder, states.own("starting", url, dashboard, temporary))
    nodes, failed, ready = LocalNodes(temporary), False, False
    try:
        with _handlers(None):
            address = nodes.start(config, report)
        _connect(address)
        deploy(LOOPBACK, config.gateway.port, import_path)
        wait_until_ready(url, timeout_s, report)
        _disconnect()
        states.write(folder, states.own("ready", url, dashboard, temporary))
        ready = True
        yield Running(url, dashboard, nodes.alive)
    except Exception as error:
        failed = True
        error.add_note(f"The logs are in {temporary}.")
        raise
    finally:
        with _handlers(signal.SIG_IGN):  # a second Ctrl-C must not leave half of the processes behind
            if ready:
                with contextlib.suppress(IsthmusError):  # a cluster that cannot end in order is ended all the same
                    retire(dashboard, token_file(folder))
            nodes.stop()
        if not failed:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _joined(
    config: Config, file: FilePath, folder: FilePath, timeout_s: float, report: Report, import_path: str
) -> Iterator[Running]:
    """Only deploy: the nodes are somebody else's, and only the application is taken away in the end."""
    from ray import serve

    os.environ.update(application_variables(file))
    host = str(config.cluster.address).rpartition(":")[0]
    url, dashboard = readable_url(config), f"http://{host}:{config.cluster.dashboard_port}"
    states.write(folder, states.own("starting", url, dashboard, None))
    _connect(str(config.cluster.address), application_variables(file))
    try:
        deploy(config.gateway.host, config.gateway.port, import_path)
        wait_until_ready(url, timeout_s, report)
        states.write(folder, states.own("ready", url, dashboard, None))
        yield Running(url, dashboard, Pulse(f"{url}/healthz").alive)
    finally:
        with _handlers(signal.SIG_IGN):
            with contextlib.suppress(Exception):
                serve.delete(NAME)
            with contextlib.suppress(Exception):
                end_orchestrator(NAME, str(config.learning.url))
        _disconnect()


def _connect(address: str, variables: dict[str, str] | None = None) -> None:
    import ray

    try:
        with _handlers(None):
            ray.init(
                address=address,
                namespace="serve",
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": variables} if variables else None,
            )
    except Exception as error:
        raise IsthmusError(
            f"The Ray cluster at {address} cannot be joined: {': '.join(filter(None, cause(str(error))))}"
        ) from error


def _disconnect() -> None:
    """The application is detached and needs no driver; one less process polls the cluster."""
    import ray

    with _handlers(None):
        ray.shutdown()


@contextlib.contextmanager
def _handlers(during: signal.Handlers | None) -> Iterator[None]:
    """Put the handlers of Ctrl-C and SIGTERM back in the end, since Ray replaces them; meanwhile have `during` handle both."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if during is not None:
        for number in before:
            signal.signal(number, during)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
