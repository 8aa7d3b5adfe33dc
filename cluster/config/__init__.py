"""The configuration: frozen pydantic models, read from `isthmus.yaml` and the environment."""

from cluster.config.load import load
from cluster.config.models import (
    EchoModel,
    LlamaCppModel,
    ModelBase,
    ModelConfig,
    Power,
    Price,
    RemoteModel,
    SplitCloud,
    SplitModel,
    VllmModel,
)
from cluster.config.root import Config
from cluster.config.scaling import Scaling
from cluster.config.serving import Documents, Gateway, Learning, Log, Stages
from cluster.config.sites import Cluster, Link, Site

__all__ = [
    "Cluster",
    "Config",
    "Documents",
    "EchoModel",
    "Gateway",
    "Learning",
    "Link",
    "LlamaCppModel",
    "Log",
    "ModelBase",
    "ModelConfig",
    "Power",
    "Price",
    "RemoteModel",
    "Scaling",
    "Site",
    "SplitCloud",
    "SplitModel",
    "Stages",
    "VllmModel",
    "load",
]
