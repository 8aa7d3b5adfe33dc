"""Whether the environment variables that hold keys are set."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cluster.checks.finding import Finding, blocked, ok, warning
from cluster.checks.ports import LOOPBACK
from cluster.config import Config, RemoteModel, SplitModel


def check_secrets(config: Config) -> Iterator[Finding]:
    """The keys of remote models, and those that the gateway accepts."""
    for name, model in config.models.items():
        if isinstance(model, RemoteModel) and model.api_key_env:
            yield _variable(f"models.{name}.api_key_env", model.api_key_env, "the service's key")
        if isinstance(model, SplitModel) and model.cloud.key_env:
            yield _variable(f"models.{name}.cloud.key_env", model.cloud.key_env, "the key of the split model's link")
        elif isinstance(model, SplitModel) and model.cloud.address and model.cloud.address[0] not in LOOPBACK:
            yield warning(
                f"models.{name}.cloud.key_env", f"{model.cloud.listen} asks no edge for a key; name a variable with keys."
            )
    gateway = config.gateway
    if gateway.api_keys_env:
        yield _variable("gateway.api_keys_env", gateway.api_keys_env, "the accepted keys, separated by commas")
    elif gateway.host not in LOOPBACK:
        yield warning(
            "gateway.api_keys_env", f"the gateway listens on {gateway.host} and asks nobody for a key; name a variable with keys."
        )


def _variable(key: str, name: str, meaning: str) -> Finding:
    if not os.environ.get(name, "").strip():
        return blocked(key, f"the environment variable {name} is not set; export {name} with {meaning}.")
    return ok(key, f"{name} is set")
