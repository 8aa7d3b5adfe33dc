"""The servers of a configuration: one for each site that runs a model."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.config import Config, SplitModel
from cluster.config.sites import Site
from policies.types import Tier


@dataclass(frozen=True, slots=True)
class Server:
    """A (model, site) pair: one Serve deployment, whose replicas are balanced by Serve."""

    model: str
    site: str
    """Where the replicas run."""
    tier: Tier
    """Where the text is computed: that of the model. A remote cloud service has it though its client runs at the edge."""
    site_tier: Tier
    """The tier of `site`."""

    @property
    def deployment_name(self) -> str:
        """Name of the Serve deployment."""
        return f"{self.model}@{self.site}"

    @property
    def label_selector(self) -> dict[str, str]:
        """The node labels that Ray places the replicas by."""
        return {"tier": self.site_tier, "site": self.site}


def servers(config: Config) -> list[Server]:
    """Every server of the cluster: models in the order of the configuration, each at its sites in their order.

    A model without `sites` runs at all sites of its tier, and a remote one, which is only a client, at the head. One that cannot
    be asked here has no server: of it only the cloud's part runs.
    """
    return [
        Server(name, site.name, model.tier, site.tier)
        for name, model in config.models.items()
        if model.options(name)
        for site in _sites(config, name)
    ]


def cloud_site(config: Config, model: SplitModel) -> Site | None:
    """Where the cloud's part of a split model runs; None if that is not in this cluster."""
    if model.cloud.url is not None:
        return None
    clouds = [site for site in config.cluster.sites if site.tier == "cloud"]
    return next((site for site in clouds if site.name == model.cloud.site), clouds[0])


def _sites(config: Config, name: str) -> list[Site]:
    model = config.models[name]
    if model.sites:
        return [site for site in config.cluster.sites if site.name in model.sites]
    if model.engine == "remote":
        return [config.cluster.head]
    return [site for site in config.cluster.sites if site.tier == model.tier]
