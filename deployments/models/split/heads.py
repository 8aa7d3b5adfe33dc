"""From a state to the next token: the model's own output, and early exits."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn.functional import linear, rms_norm

from deployments.models.split.checkpoint import NORM, Checkpoint
from deployments.models.split.partition import Partition
from policies.errors import ConfigurationError


class Head:
    """Norm and matrix: `logits = matrix @ rms_norm(state, norm)`."""

    def __init__(self, norm: Tensor, matrix: Tensor, epsilon: float) -> None:
        """`norm` is (width,), `matrix` (vocabulary, width); both on the device and of the type that states will have."""
        self.norm = norm
        self.matrix = matrix
        self._epsilon = epsilon

    def logits(self, states: Tensor) -> Tensor:
        """(positions, width) to (positions, vocabulary) in single precision."""
        normed = rms_norm(states.float(), self.norm.shape, eps=self._epsilon).to(self.norm.dtype) * self.norm
        return linear(normed, self.matrix).float()


def output_head(checkpoint: Checkpoint, dtype: torch.dtype, device: torch.device) -> Head:
    """The head behind the last layer, its matrix the embedding's if the checkpoint ties them."""
    weights = checkpoint.load([NORM, checkpoint.output])
    norm, matrix = (weights[name].to(device, dtype) for name in (NORM, checkpoint.output))
    return Head(norm, matrix, checkpoint.config.rms_norm_eps)


def exit_heads(
    checkpoint: Checkpoint, partition: Partition, file: Path | None, dtype: torch.dtype, device: torch.device
) -> dict[int, Head]:
    """The head of every exit by its layer: those of `file`, or without one the model's output for all exits.

    The file has `exits.LAYER.norm.weight` (width,) and `exits.LAYER.head.weight` (vocabulary, width), and in its metadata
    `exit_layers`, a JSON list. One output for all exits is how LayerSkip checkpoints are trained (arXiv 2404.16710).
    Raises ConfigurationError for missing exits and heads of another width or vocabulary.
    """
    if file is None:
        return dict.fromkeys(partition.exits, output_head(checkpoint, dtype, device))
    try:
        with safe_open(file, framework="pt") as tensors:
            layers = json.loads((tensors.metadata() or {}).get("exit_layers", "null"))
            if not isinstance(layers, list):
                raise ConfigurationError(f"{file} does not say in its metadata after which layers it exits (exit_layers).")
            missing = [layer for layer in partition.exits if layer not in layers]
            if missing:
                raise ConfigurationError(
                    f"{file} has no exit after layer {missing[0]}, only after {layers}; choose among these or fit it with "
                    "python -m deployments.models.split.fit_exits."
                )
            return {
                layer: Head(
                    _checked(tensors.get_tensor(f"exits.{layer}.norm.weight"), (checkpoint.width,), file).to(device, dtype),
                    _checked(
                        tensors.get_tensor(f"exits.{layer}.head.weight"), (checkpoint.config.vocab_size, checkpoint.width), file
                    ).to(device, dtype),
                    checkpoint.config.rms_norm_eps,
                )
                for layer in partition.exits
            }
    except (OSError, SafetensorError, ValueError) as error:
        raise ConfigurationError(f"{file} is not a file of exit heads: {error}.") from error


def _checked(tensor: Tensor, shape: tuple[int, ...], file: Path) -> Tensor:
    if tuple(tensor.shape) != shape:
        raise ConfigurationError(f"An exit head of {file} has shape {tuple(tensor.shape)}, but the model needs {shape}.")
    return tensor
