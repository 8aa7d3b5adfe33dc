"""Whether the ports of the cluster are free."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path as FilePath

import psutil

from cluster.checks.finding import Finding, blocked, ok
from cluster.config import Config
from cluster.nodes import state

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def check_ports(config: Config, file: FilePath) -> Iterator[Finding]:
    """The gateway's, the Ray head's and the dashboard's. HAProxy's own and those of the nodes are chosen among free ones."""
    if config.cluster.address:
        yield (joinable := _joinable(config.cluster.address))
        if joinable.level == "ok":
            yield from _reachable(config.gateway.host, config.cluster.address.rpartition(":")[0])
        return
    running = state.read(file)
    if running is not None:
        yield ok("ports", f"the cluster of this configuration is running (process {running.pid})")
        return
    cluster, gateway = config.cluster, config.gateway
    taken: dict[int, str] = {}
    for key, host, port in (
        ("gateway.port", gateway.host, gateway.port),
        ("cluster.port", "127.0.0.1", cluster.port),
        ("cluster.dashboard_port", "127.0.0.1", cluster.dashboard_port),
    ):
        if port in taken:
            yield blocked(key, f"port {port} is {taken[port]} already; choose another {key}.")
        else:
            taken[port] = key
            yield _port(key, host, port)


def _joinable(address: str) -> Finding:
    """Ray itself would try for minutes before it said so."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return blocked("cluster.address", f"{address!r} is not HOST:PORT; give the address of the Ray head, like 10.0.0.7:6379.")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, UnicodeError) as error:  # the latter for what cannot be the name of a host
        return blocked("cluster.address", f"nobody answers at {address} ({error}); start that Ray cluster, or leave the key out.")
    return ok("cluster.address", f"{address} answers")


def _reachable(gateway: str, head: str) -> Iterator[Finding]:
    """The gateway will listen at the head, and `isthmus up` waits here until it answers."""
    if gateway in LOOPBACK and not _is_here(head):
        yield blocked(
            "gateway.host",
            f"the gateway would listen on {gateway} of {head} alone, out of reach from here; set gateway.host to {head}.",
        )


def _is_here(host: str) -> bool:
    own = {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
    return any(str(found[4][0]) in own for found in socket.getaddrinfo(host, None))


def _port(key: str, host: str, port: int) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            return blocked(key, f"port {port} needs special rights; choose one above 1023.")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return blocked(key, f"{host}:{port} cannot be used ({error.strerror}); give an address of this machine.")
            return blocked(
                key, f"{host}:{port} cannot be used ({error.strerror}{_owner(port)}); stop what uses it or choose another {key}."
            )
    return ok(key, f"{host}:{port} is free")


def _owner(port: int) -> str:
    """Who listens there, as far as this user may know."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,) and connection.pid:
            return f" by process {connection.pid}, {psutil.Process(connection.pid).name()}"
    return ""
