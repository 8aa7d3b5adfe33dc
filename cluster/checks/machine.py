"""The machine and what is installed on it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import psutil

from cluster.checks.finding import Finding, blocked, ok, warning
from cluster.config import Config

RAY_FROM, RAY_BEFORE = (2, 60), (2, 62)
RAY_GIB = 1.6
"""Resident memory of Ray's own processes with an edge and a cloud node, measured with echo models (Ray 2.60, dashboard on)."""
NODE_GIB = 0.4
"""What each further node adds to it."""


def check_machine(config: Config) -> Iterator[Finding]:
    """Python, Ray, the engines' packages and memory."""
    yield _python()
    yield _ray()
    yield from _engines(config)
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


def _engines(config: Config) -> Iterator[Finding]:
    engines = {model.engine for model in config.models.values()}
    if "llama_cpp" in engines:
        if find_spec("llama_cpp"):
            yield ok("llama.cpp", f"llama-cpp-python {version('llama-cpp-python')}")
        else:
            tools = [tool for tool in ("c++", "cmake") if shutil.which(tool) is None]
            first = f"install {' and '.join(tools)} (Debian, Ubuntu: apt-get install g++ cmake), then " if tools else ""
            yield blocked("llama.cpp", f"llama_cpp cannot be imported; {first}run 'pip install llama-cpp-python'.")
    if "vllm" in engines:
        if find_spec("vllm"):
            yield ok("vLLM", "installed")
        else:
            yield blocked(
                "vLLM", "vllm cannot be imported; run 'pip install \"isthmus[vllm]\"' on a GPU machine, 'make setup' on others."
            )


def _memory(config: Config) -> Finding:
    free_gib = psutil.virtual_memory().available / 2**30
    ray_gib = RAY_GIB + NODE_GIB * max(0, len(config.cluster.sites) - 2)
    caches_gib = sum(model.kv_cache_gib * model.most_replicas for model in config.models.values() if model.engine == "vllm")
    contexts_gib = sum(model.cloud.memory_gib for model in config.models.values() if model.engine == "split")
    need_gib = ray_gib + caches_gib + contexts_gib
    if free_gib < need_gib:
        return warning(
            "memory",
            f"{free_gib:.1f} GiB are free, but Ray on {len(config.cluster.sites)} sites and the caches of vLLM take about "
            f"{need_gib:.1f} GiB beside the models' weights; close other programs or lower kv_cache_gib.",
        )
    return ok(
        "memory", f"{free_gib:.1f} GiB are free; Ray and the caches of vLLM take about {need_gib:.1f} GiB beside the weights"
    )
