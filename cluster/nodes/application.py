"""The Serve application on a cluster: deploying it, and waiting until it answers."""

from __future__ import annotations

import importlib
import logging
import re
import time
from collections.abc import Callable
from typing import Any

from cluster.config import Config
from cluster.nodes import interrupt
from cluster.nodes.direct import answers
from policies.errors import ConfigurationError, IsthmusError

NAME = "isthmus"
IMPORT_PATH = "deployments:app"
"""Named by a string, since the rooms may be imported in one direction only."""
POLL_S = 0.25
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = re.compile(r"^([\w.]*(?:Error|Exception|Exit|Interrupt|Unavailable|Failed))(?::\s*(.*))?$")


def deploy(host: str, port: int, import_path: str = IMPORT_PATH) -> None:
    """Start Serve on the connected cluster and hand it the application; returns before the replicas are up.

    Raises the ConfigurationError of an application that cannot be built, and IsthmusError when Serve does not start it.
    """
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    module, _, attribute = import_path.partition(":")
    try:
        application = getattr(importlib.import_module(module), attribute)
        serve.start(http_options={"host": host, "port": port}, proxy_location="HeadOnly")
        serve.run_many([serve.RunTarget(application, name=NAME, route_prefix="/")], wait_for_applications_running=False)
    except IsthmusError:
        raise
    except Exception as error:
        raise IsthmusError(f"Ray Serve did not start the application: {': '.join(filter(None, cause(str(error))))}") from error


def wait_until_ready(url: str, timeout_s: float, report: Callable[[str, str], None]) -> None:
    """Return when `url`/readyz answers 200; `report(deployment, state)` tells how far it is.

    Raises ConfigurationError or IsthmusError with the deployment and the cause as soon as one cannot start,
    or when `timeout_s` seconds have passed.
    """
    from ray import serve

    until = time.monotonic() + timeout_s
    while True:
        interrupt.check()
        application = serve.status().applications.get(NAME)
        deployments = application.deployments if application else {}
        for name, deployment in deployments.items():
            report(name, "ready" if deployment.status == "HEALTHY" else "starting")
            _refuse_failure(name, deployment.status, deployment.message)
        if application and application.status == "DEPLOY_FAILED":
            raise IsthmusError(f"The application could not be deployed: {cause(application.message)[1]}")
        if application and application.status == "RUNNING" and answers(f"{url}/readyz"):
            return
        if time.monotonic() > until:
            late = {name: d.message for name, d in deployments.items() if d.status != "HEALTHY"}
            raise IsthmusError(_too_late(url, timeout_s, late))
        time.sleep(POLL_S)


def cause(message: str) -> tuple[str, str]:
    """The type and the text of the last error in a message of Serve, which is a trace with words around it."""
    lines = [line.strip() for line in _COLOURS.sub("", message).splitlines() if line.strip()]
    for line in reversed(lines):
        match = _ERROR.match(line)
        if match:
            return match[1].rpartition(".")[2], match[2] or match[1]
    return "", lines[0] if lines else "no cause was given"


def readable_url(config: Config) -> str:
    """Where a client on this machine reaches the gateway: a wildcard interface is reached by the loopback one."""
    host = config.gateway.host
    if host in ("0.0.0.0", "::", "*"):
        host = config.cluster.address.rpartition(":")[0] if config.cluster.address else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{config.gateway.port}"


def _refuse_failure(name: str, status: Any, message: str) -> None:
    """A wrong configuration fails again however often Serve tries; other failures may pass until Serve gives up."""
    kind, text = cause(message)
    if kind == ConfigurationError.__name__:
        raise ConfigurationError(f"The deployment {name} cannot start: {text}")
    if status == "DEPLOY_FAILED":
        raise IsthmusError(f"The deployment {name} cannot start: {f'{kind}: {text}' if kind else text}")


def _too_late(url: str, timeout_s: float, late: dict[str, str]) -> str:
    if not late:
        return (
            f"Every deployment runs, but {url}/readyz did not answer 200 within {timeout_s:g} s; raise --timeout or see the logs."
        )
    name, message = next(iter(late.items()))
    why = f": {cause(message)[1]}" if message else ""
    return f"The deployment {name} was not ready after {timeout_s:g} s{why}; raise --timeout or see the logs."
