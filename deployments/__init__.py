"""What serves. `serve run deployments:app` starts the system of the configuration that ISTHMUS_CONFIG names (./isthmus.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.serve import Application

    app: Application

__all__ = ["app"]


def __getattr__(name: str) -> Any:
    """Build `app` when it is asked for: Ray is not imported for the sake of a constant in some submodule."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cluster.config import load
    from deployments.app import build

    return build(load())
