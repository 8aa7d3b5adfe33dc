"""What the configuration of a split model means for its parts."""

from __future__ import annotations

import torch

from cluster.config import SplitModel
from deployments.models.split.checkpoint import Checkpoint
from deployments.models.split.codec import Wire
from deployments.models.split.partition import Partition


def partition_of(config: SplitModel, checkpoint: Checkpoint) -> Partition:
    """Raises ConfigurationError when the exits do not split this checkpoint."""
    return Partition(config.exit_layers[0], config.exit_layers[-1], checkpoint.layers)


def dtype_of(config: SplitModel) -> torch.dtype:
    """In which both parts compute."""
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[config.dtype]


def wire_of(config: SplitModel) -> Wire:
    """In which states cross the link."""
    return Wire[config.wire.upper()]


def device_for(gpus: float) -> torch.device:
    """The GPU that Ray has reserved, if there is one."""
    return torch.device("cuda" if gpus else "cpu")
