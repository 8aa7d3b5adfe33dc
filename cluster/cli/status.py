"""`isthmus status`: what runs where."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from cluster.cli.options import Configuration, Json, print_json

if TYPE_CHECKING:
    from cluster.nodes.inventory import Inventory
    from cluster.nodes.learned import LearnedStatus


def status(config: Configuration = None, as_json: Json = False) -> None:
    """Show sites, deployments, replicas and what was learnt on the running cluster. Exit code 1 when none runs."""
    from cluster.config.load import locate
    from cluster.nodes import state
    from cluster.nodes.inventory import inventory
    from cluster.nodes.learned import learned_status
    from cluster.nodes.variables import token_file
    from policies.errors import IsthmusError

    file = locate(config)
    running = state.read(file)
    if running is None:
        raise IsthmusError(f"No cluster runs for {file}; 'isthmus up' starts one.")
    found = inventory(running.dashboard, token_file(file.parent / ".isthmus"))
    learned = learned_status(running.url)
    if as_json:
        orchestrator = asdict(learned) if learned else None
        print_json(
            {"url": running.url, "phase": running.phase, "pid": running.pid, **asdict(found), "orchestrator": orchestrator}
        )
    else:
        _print(running.url, found, learned)


def _print(url: str, found: Inventory, learned: LearnedStatus | None) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    console = Console()
    console.print(f"{url}  {found.application}", highlight=False)
    sites = Table("site", "tier", "state", "processors", "GPUs", "address")
    for s in found.sites:
        name = f"{s.site} (head)" if s.head else s.site
        sites.add_row(name, s.tier, "alive" if s.alive else "dead", f"{s.cpus:g}", f"{s.gpus:g}", s.address)
    deployment, where, message = (Column(head, overflow="fold") for head in ("deployment", "where", "message"))
    deployments = Table(deployment, "state", "replicas", where, message)
    for d in found.deployments:
        told = d.message.splitlines()[0] if d.message else ""
        deployments.add_row(d.deployment, d.status, f"{d.replicas} of {d.target}", ", ".join(d.sites), told)
    console.print(sites)
    console.print(deployments)
    if learned is not None:
        console.print(learned.sentence, highlight=False)
    for d in found.deployments:
        if d.scaled:
            console.print(f"{d.deployment}  {d.scaled.at}  {d.scaled.reason}", soft_wrap=True, highlight=False, markup=False)
