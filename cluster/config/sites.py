"""Where things run: sites, and the link between the tiers."""

from pathlib import Path as FilePath
from typing import Self

from pydantic import Field, model_validator

from cluster.config.base import Section
from policies.types import Tier


class Site(Section):
    """One labelled place: on this machine a Ray node of its own."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Name of the site, used as the node label `site`.")
    tier: Tier = Field(description="edge or cloud, used as the node label `tier`.")
    cpus: int = Field(2, gt=0, description="Processors that the site's node offers to replicas; they may be more than it has.")
    gpus: int = Field(0, ge=0, description="GPUs that the site's node offers.")
    memory_gib: float = Field(
        4.0,
        gt=0,
        description="GiB of the site's pod on Kubernetes, request and limit. "
        "On this machine only what Ray reports: no replica reserves memory and nothing holds it to this.",
    )


class Link(Section):
    """A network between edge and cloud, emulated where both run on one machine."""

    rtt_s: float = Field(0.0, ge=0, description="Round trip in seconds.")
    mbps: float | None = Field(None, gt=0, description="Bandwidth in Mbit/s; unlimited when not given.")
    trace: FilePath | None = Field(
        None, description="File with lines of time and Mbit/s (or ms and kbit/s) that replaces `mbps`, repeated from its start."
    )

    @model_validator(mode="after")
    def _one_bandwidth(self) -> Self:
        if self.mbps is not None and self.trace is not None:
            raise ValueError("give mbps or trace, not both")
        return self


class Cluster(Section):
    """The Ray cluster: its head is the first edge site, so that a cut link leaves the edge whole."""

    sites: tuple[Site, ...] = Field(
        (Site(name="home", tier="edge"), Site(name="cloud", tier="cloud")),
        description="The sites; the first edge site is the head. Without the key `home` at the edge and `cloud`.",
    )
    link: Link | None = Field(None, description="Emulated link between the tiers; every answer says that it is emulated.")
    address: str | None = Field(None, description="Join the Ray cluster at HOST:PORT instead of starting one.")
    port: int = Field(6379, ge=1024, le=65535, description="Port of the Ray head.")
    dashboard_port: int = Field(8265, ge=1024, le=65535, description="Port of the Ray dashboard, on the loopback interface.")

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        names = [site.name for site in self.sites]
        if len(set(names)) != len(names):
            raise ValueError(f"two sites have the same name: {sorted(n for n in set(names) if names.count(n) > 1)[0]!r}")
        if not any(site.tier == "edge" for site in self.sites):
            raise ValueError("there is no edge site; the gateway and the documents live on one")
        return self

    @property
    def head(self) -> Site:
        """The site that holds Ray's head: the first edge site."""
        return next(site for site in self.sites if site.tier == "edge")
