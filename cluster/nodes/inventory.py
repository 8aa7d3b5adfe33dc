"""What runs where on a cluster, as Ray's dashboard tells it over REST."""

from __future__ import annotations

import json
import os
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from cluster.nodes.application import NAME
from cluster.nodes.direct import ask
from policies.errors import IsthmusError


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
    application = _ask(f"{dashboard}/api/serve/applications/", token)["applications"].get(NAME)
    if application is None:
        return Inventory("NOT_STARTED", tuple(sites.values()), ())
    deployments = tuple(_deployment(d, sites) for d in application["deployments"].values())
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


def _deployment(deployment: Mapping[str, Any], sites: Mapping[str, SiteStatus]) -> DeploymentStatus:
    running = [replica for replica in deployment["replicas"] if replica["state"] == "RUNNING"]
    places = sorted({sites[r["node_id"]].site for r in running if r["node_id"] in sites})
    return DeploymentStatus(
        deployment=deployment["name"],
        status=deployment["status"],
        replicas=len(running),
        target=deployment["target_num_replicas"],
        sites=tuple(places),
        message=deployment["message"].strip(),
    )


def _ask(url: str, token: FilePath | None, method: str = "GET") -> dict[str, Any]:
    secret = os.environ.get("RAY_AUTH_TOKEN") or _first_line(os.environ.get("RAY_AUTH_TOKEN_PATH")) or _first_line(token)
    try:
        with ask(url, {"Authorization": f"Bearer {secret}"} if secret else {}, method) as response:
            answer: dict[str, Any] = json.loads(response.read() or "{}")
            return answer
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
