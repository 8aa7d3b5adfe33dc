"""The whole application: the gateway and a server for every model at every one of its sites."""

from __future__ import annotations

from ray.serve import Application

from cluster.config import Config
from deployments.gateway.keys import Keys
from deployments.gateway.server import bind_gateway
from deployments.models.server import bind_servers


def build(config: Config) -> Application:
    """What `serve run` starts. Raises ConfigurationError, e.g. when the variable with the API keys is empty."""
    keys = Keys.from_environment(config.gateway.api_keys_env)
    return bind_gateway(config, bind_servers(config), keys)
