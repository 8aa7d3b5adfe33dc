"""Whether a configuration can start on this machine: what is missing, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath

from cluster.checks.capacity import check_capacity
from cluster.checks.databases import check_databases
from cluster.checks.documents import check_documents
from cluster.checks.encoders import check_encoders
from cluster.checks.engines import check_engines
from cluster.checks.finding import Finding, warning
from cluster.checks.link import check_link
from cluster.checks.machine import check_machine
from cluster.checks.models import check_models
from cluster.checks.ports import check_ports
from cluster.checks.profile import check_profile
from cluster.checks.secrets import check_secrets
from cluster.config import Config
from policies.errors import ConfigurationError

__all__ = ["Finding", "check_all", "refuse_to_start"]


def check_all(config: Config, file: FilePath) -> list[Finding]:
    """Everything that can be known without starting anything. A cluster of this configuration that runs keeps its ports."""
    return [
        *check_machine(config),
        *check_ports(config, file),
        *check_capacity(config),
        *_where_they_are_used(config, (*check_engines(config), *check_models(config), *check_encoders(config))),
        *check_documents(config),
        *check_link(config),
        *check_profile(config),
        *check_databases(config),
        *check_secrets(config),
    ]


def _where_they_are_used(config: Config, findings: Iterable[Finding]) -> Iterator[Finding]:
    """What this machine lacks blocks nothing if the replicas run on the nodes of another cluster, which may have it."""
    address = config.cluster.address
    for found in findings:
        elsewhere = address is not None and found.level == "blocked"
        yield warning(found.name, f"on this machine: {found.detail} The nodes of {address} may have it.") if elsewhere else found


def refuse_to_start(config: Config, file: FilePath) -> None:
    """Raise ConfigurationError with a sentence for each finding that blocks."""
    sentences = [f"{finding.name}: {finding.detail}" for finding in check_all(config, file) if finding.level == "blocked"]
    if sentences:
        raise ConfigurationError("\n".join(sentences))
