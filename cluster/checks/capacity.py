"""Whether the replicas fit into what the sites offer: Ray would wait for ever, in silence."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.checks.finding import Finding, blocked, ok
from cluster.config import Config, SplitModel
from cluster.servers import cloud_site, servers


def check_capacity(config: Config) -> Iterator[Finding]:
    """Processors and GPUs of each site against its replicas and, at the head, the gateway."""
    for site in config.cluster.sites:
        here = [config.models[server.model] for server in servers(config) if server.site == site.name]
        parts = [m.cloud for m in config.models.values() if isinstance(m, SplitModel) and cloud_site(config, m) is site]
        gateway = config.gateway.replicas * config.gateway.cpus if site is config.cluster.head else 0.0
        cpus = gateway + sum(model.most_replicas * model.cpus for model in here) + sum(part.cpus for part in parts)
        gpus = sum(model.most_replicas * model.gpus for model in here) + sum(part.gpus for part in parts)
        yield _fit(site.name, "cpus", cpus, site.cpus)
        if gpus or site.gpus:
            yield _fit(site.name, "gpus", gpus, site.gpus)


def _fit(site: str, what: str, need: float, offer: float) -> Finding:
    name = f"site {site}"
    if need > offer:
        return blocked(
            name,
            f"its replicas reserve {need:g} {what}, but it offers {offer:g}; raise {what} of the site or lower those of a model.",
        )
    return ok(name, f"replicas reserve {need:g} of {offer:g} {what}")
