"""What runs where on a cluster, as Ray's dashboard tells it over REST."""

from __future__ import annotations

import json
import os
import urllib.error
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import urlencode

from cluster.nodes.application import NAME
from cluster.nodes.direct import ask
from cluster.nodes.scaled import Scaled, last_changes
from policies.errors import IsthmusError

LOG_LINES = 5000
"""Of the controller's log that are searched for changes of replicas."""


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """A Ray node."""

    site: str
    tier: str
    alive: bool
    address: str
    cpus: float
    gpus: float
    head: bool


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """A Serve deployment and where its replicas are."""

    deployment: str
    status: str
    replicas: int
    """Replicas that run."""
    target: int
    """Replicas that should run."""
    sites: tuple[str, ...]
    message: str
    scaled: Scaled | None = None
    """Its last change of replicas, if they follow demand and ever changed."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The sites of a cluster, and the application on them."""

    application: str
    """RUNNING, DEPLOYING, UNHEALTHY, ... as Serve has it; NOT_STARTED without one."""
    sites: tuple[SiteStatus, ...]
    deployments: tuple[DeploymentStatus, ...]


def inventory(dashboard: str, token: FilePath | None) -> Inventory:
    """Ask the dashboard. Raises IsthmusError when it does not answer."""
    nodes = _ask(f"{dashboard}/api/v0/nodes", token)["data"]["result"]["result"]
    sites = {node["node_id"]: _site(node) for node in nodes}
    serve = _ask(f"{dashboard}/api/serve/applications/", token)
    application = serve["applications"].get(NAME)
    if application is None:
        return Inventory("NOT_STARTED", tuple(sites.values()), ())
    found = application["deployments"].values()
    elastic = any(deployment["deployment_config"].get("autoscaling_config") for deployment in found)
    changes = last_changes(_controller_log(dashboard, serve["controller_info"], token)) if elastic else {}
    deployments = tuple(_deployment(deployment, sites, changes) for deployment in found)
    return Inventory(application["status"], tuple(sorted(sites.values(), key=lambda s: not s.head)), deployments)


def retire(dashboard: str, token: FilePath | None) -> None:
    """Have Serve end all replicas in order, so that gateways write what they hold back. Raises IsthmusError if it does not."""
    _ask(f"{dashboard}/api/serve/applications/", token, "DELETE")


def _site(node: Mapping[str, Any]) -> SiteStatus:
    labels, resources = node["labels"], node["resources_total"]
    return SiteStatus(
        site=labels.get("site", "?"),
        tier=labels.get("tier", "?"),
        alive=node["state"] == "ALIVE",
        address=node["node_ip"],
        cpus=resources.get("CPU", 0.0),
        gpus=resources.get("GPU", 0.0),
        head=node["is_head_node"],
    )


def _deployment(
    deployment: Mapping[str, Any], sites: Mapping[str, SiteStatus], changes: Mapping[str, Scaled]
) -> DeploymentStatus:
    running = [replica for replica in deployment["replicas"] if replica["state"] == "RUNNING"]
    places = sorted({sites[r["node_id"]].site for r in running if r["node_id"] in sites})
    return DeploymentStatus(
        deployment=deployment["name"],
        status=deployment["status"],
        replicas=len(running),
        target=deployment["target_num_replicas"],
        sites=tuple(places),
        message=deployment["message"].strip(),
        scaled=changes.get(deployment["name"]),
    )


def _controller_log(dashboard: str, controller: Mapping[str, Any], token: FilePath | None) -> list[str]:
    """The newest lines that Serve's controller wrote; none where Ray cannot tell, since a status is of use without them."""
    where = {"node_id": controller["node_id"], "filename": str(controller["log_file_path"]).lstrip("/"), "lines": LOG_LINES}
    try:
        with _open(f"{dashboard}/api/v0/logs/file?{urlencode(where)}", token) as response:
            return response.read().decode(errors="replace").splitlines()
    except IsthmusError:
        return []


def _ask(url: str, token: FilePath | None, method: str = "GET") -> dict[str, Any]:
    with _open(url, token, method) as response:
        answer: dict[str, Any] = json.loads(response.read() or "{}")
        return answer


@contextmanager
def _open(url: str, token: FilePath | None, method: str = "GET") -> Iterator[HTTPResponse]:
    secret = os.environ.get("RAY_AUTH_TOKEN") or _first_line(os.environ.get("RAY_AUTH_TOKEN_PATH")) or _first_line(token)
    try:
        with ask(url, {"Authorization": f"Bearer {secret}"} if secret else {}, method) as response:
            yield response
    except urllib.error.HTTPError as error:
        raise IsthmusError(
            f"Ray's dashboard answered {error.code} at {url}; is it that of this cluster, and is its token set?"
        ) from None
    except (OSError, ValueError) as error:
        raise IsthmusError(f"Ray's dashboard does not answer at {url} ({error}); is it open to this machine?") from None


def _first_line(file: FilePath | str | None) -> str:
    try:
        return FilePath(file).read_text(encoding="utf-8").strip() if file else ""
    except OSError:
        return ""
