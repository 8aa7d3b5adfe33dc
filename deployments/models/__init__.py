"""The language models: engines behind one contract, and the Serve deployment that runs them.

An engine imports its library when it starts, so that no machine needs those of engines that it does not run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cluster.config import ModelConfig
from cluster.servers import Server
from deployments.models.base import Engine
from deployments.models.echo import EchoEngine
from deployments.models.llama_cpp import LlamaCppEngine
from deployments.models.vllm import VllmEngine
from deployments.registry import Registry


def _remote(name: str, site: str, config: Any) -> Engine:
    """The openai package takes a second of processor time, which every replica of every engine would spend at its start."""
    from deployments.models.remote import RemoteEngine

    return RemoteEngine(name, site, config)


def _split(name: str, site: str, config: Any, *parts: Any) -> Engine:
    """Torch and transformers take seconds, too."""
    from deployments.models.split.engine import SplitEngine

    return SplitEngine(name, site, config, *parts)


ENGINES: Registry[Callable[..., Engine]] = Registry(
    "models.engine",
    {"llama_cpp": LlamaCppEngine, "vllm": VllmEngine, "split": _split, "remote": _remote, "echo": EchoEngine},
)


def open_engine(server: Server, config: ModelConfig, *parts: Any) -> Engine:
    """The engine of one replica of `server`, not yet started. `parts` is what it needs of other deployments, if anything."""
    return ENGINES[config.engine](server.model, server.site, config, *parts)
