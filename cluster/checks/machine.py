"""The machine and what is installed on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import psutil

from cluster.checks.finding import Finding, blocked, ok, warning
from cluster.config import Config, SplitModel

RAY_FROM, RAY_BEFORE = (2, 60), (2, 62)
RAY_GIB = 1.6
"""Resident memory of Ray's own processes with an edge and a cloud node, measured with echo models (Ray 2.60, dashboard on)."""
NODE_GIB = 0.4
"""What each further node adds to it."""


def check_machine(config: Config) -> Iterator[Finding]:
    """Python, Ray and memory."""
    yield _python()
    yield _ray()
    if not config.cluster.address:
        yield _memory(config)


def _python() -> Finding:
    """Which one runs this; an older one than 3.11 could not have installed the package."""
    return ok("Python", f"{sys.version.split()[0]} in {sys.prefix}")


def _ray() -> Finding:
    try:
        found = version("ray")
    except PackageNotFoundError:
        return blocked("Ray", "it is not installed; run 'pip install \"ray[serve]>=2.60,<2.62\"'.")
    numbers = tuple(int(part) for part in found.split(".")[:2])
    if not RAY_FROM <= numbers < RAY_BEFORE:
        return blocked("Ray", f"{found} is not supported; run 'pip install \"ray[serve]>=2.60,<2.62\"'.")
    return ok("Ray", found)


def _memory(config: Config) -> Finding:
    free_gib = psutil.virtual_memory().available / 2**30
    ray_gib = RAY_GIB + NODE_GIB * max(0, len(config.cluster.sites) - 2)
    caches_gib = sum(
        model.kv_cache_gib * model.most_replicas for model in config.models.values() if model.engine == "vllm" and not model.gpus
    )
    contexts_gib = sum(
        model.cloud.memory_gib for model in config.models.values() if isinstance(model, SplitModel) and not model.cloud.gpus
    )
    need_gib = ray_gib + caches_gib + contexts_gib
    takers = (
        f"Ray on {len(config.cluster.sites)} sites"
        + (" and the caches of vLLM" if caches_gib else "")
        + (" and the sessions of split models" if contexts_gib else "")
    )
    if free_gib < need_gib:
        lower = " or lower kv_cache_gib" if caches_gib else ""
        return warning(
            "memory",
            f"{free_gib:.1f} GiB are free, but {takers} take about {need_gib:.1f} GiB beside the models' weights; "
            f"close other programs{lower}.",
        )
    return ok("memory", f"{free_gib:.1f} GiB are free; {takers} take about {need_gib:.1f} GiB beside the models' weights")
