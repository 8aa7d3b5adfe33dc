"""The environment in which every process of a local cluster runs. It must stand before Ray is imported."""

from __future__ import annotations

import os
import secrets
from importlib.util import find_spec
from pathlib import Path as FilePath

from cluster.config import Config
from cluster.haproxy import haproxy_environment
from cluster.ports import free_ports

NOT_THE_USERS = frozenset({"RAY_TMPDIR", "RAY_SERVE_HAPROXY_BINARY_PATH"})
"""Set even if they were: the processes of a cluster are known by the first, and the second wraps what was set."""


def local_variables(config: Config, file: FilePath, state: FilePath, temporary: FilePath) -> dict[str, str]:
    """Variables for the nodes of a local cluster and for whoever talks to them; what the user has set is not among them.

    `file` is the configuration, `state` its folder `.isthmus`, `temporary` a new folder with a path of at most 24
    characters: HAProxy's socket lies 72 below it, and the path of a socket may have 97.
    """
    metrics, dashboard_metrics, fallback = free_ports(3)
    proxy = temporary / "h"
    variables = {
        **haproxy_environment(proxy, config.gateway.host),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{proxy}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{proxy}/admin.sock",
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": f"{proxy}/metrics.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(proxy),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{proxy}/server-state",
        # Ports that are fixed in Ray, so that a second cluster on this machine could not have them.
        "AUTOSCALER_METRIC_PORT": str(metrics),
        "DASHBOARD_METRIC_PORT": str(dashboard_metrics),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback),
        # Despite its name: with 0 Ray keeps to the loopback interface instead of the machine's outward address.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # the whole cluster stops: there is no other node to drain to
        "RAY_TMPDIR": str(temporary),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": "120",  # a busy machine with two cores needs more than the usual 30 s
        "RAY_worker_niceness": "0",  # Ray's 15 lets any other work on an edge box starve the answers
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        **_token(state),
    }
    kept = {name: value for name, value in variables.items() if name not in os.environ or name in NOT_THE_USERS}
    return kept | application_variables(file)


def application_variables(file: FilePath) -> dict[str, str]:
    """What the replicas need to find their configuration and, run from a checkout, our packages."""
    spec = find_spec("cluster")
    checkout = str(FilePath(spec.origin).parents[1]) if spec and spec.origin else ""
    known = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if checkout and "site-packages" not in checkout and checkout not in known:
        known.append(checkout)
    return {"ISTHMUS_CONFIG": str(file)} | ({"PYTHONPATH": os.pathsep.join(known)} if known else {})


def token_file(state: FilePath) -> FilePath:
    """Where the token of the last local cluster of a configuration lies."""
    return state / "token"


def _token(state: FilePath) -> dict[str, str]:
    """A fresh token, without which nobody else on this machine can run code on the cluster; or the user's own way."""
    if "RAY_AUTH_MODE" in os.environ:
        return {}
    file = token_file(state)
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(secrets.token_hex(32))
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(file)}
