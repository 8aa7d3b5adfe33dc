"""A Hugging Face checkpoint on disk, of which each part reads only what is its own."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import AutoConfig

from deployments.models.split.partition import Partition
from policies.errors import ConfigurationError, nearest

MODEL_TYPES = ("llama", "qwen2", "qwen3")
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
EMBEDDING, NORM, OUTPUT = "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"
_SHAPE = (
    "model_type",
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "rms_norm_eps",
    "rope_parameters",
    "layer_types",
    "sliding_window",
    "tie_word_embeddings",
)
_ROPE_OF_THE_WHOLE_TEXT = frozenset({"dynamic", "longrope"})


class Checkpoint:
    """`config.json` and the safetensors beside it, in one file or several. Reading happens tensor by tensor."""

    def __init__(self, folder: Path) -> None:
        """Read configuration and index. Raises ConfigurationError if it is no Llama or Qwen checkpoint."""
        self.folder = folder
        self.config = _config(folder)
        self._files = _files(folder)

    @property
    def layers(self) -> int:
        """Number of decoder layers."""
        return int(self.config.num_hidden_layers)

    @property
    def width(self) -> int:
        """Width of the residual stream (d in the paper)."""
        return int(self.config.hidden_size)

    @property
    def output(self) -> str:
        """Name of the output matrix: the embedding's if they are tied."""
        return EMBEDDING if self.config.tie_word_embeddings else OUTPUT

    def load(self, names: Iterable[str]) -> dict[str, Tensor]:
        """The tensors by name. Raises ConfigurationError when one is not there."""
        return {name: self._read(name, lambda file, name: file.get_tensor(name)) for name in names}

    def layer(self, index: int) -> dict[str, Tensor]:
        """The tensors of layer `index` (from 0) by the names that they have within it."""
        prefix = f"model.layers.{index}."
        names = [name for name in self._files if name.startswith(prefix)]
        return {name.removeprefix(prefix): tensor for name, tensor in self.load(names).items()}

    def fingerprint(self, partition: Partition) -> int:
        """32 bits by which two parts know that they are of one model: shape, cut, and a sample of what was trained.

        The sample is the last norm, and the first norm and a row of the first matrix behind the cut.
        """
        first = f"model.layers.{partition.a}."
        config = self.config.to_dict()
        shape = {key: config.get(key) for key in _SHAPE}
        digest = zlib.crc32(json.dumps([shape, partition.exits], sort_keys=True, default=str).encode())
        for tensor in self.load([NORM, f"{first}input_layernorm.weight"]).values():
            digest = zlib.crc32(_bytes(tensor), digest)
        row = self._read(f"{first}self_attn.q_proj.weight", lambda file, name: file.get_slice(name)[:1])
        return zlib.crc32(_bytes(row), digest)

    def _read(self, name: str, how: Callable[[Any, str], Tensor]) -> Tensor:
        try:
            with safe_open(self._files[name], framework="pt") as file:
                return how(file, name)
        except KeyError:
            raise ConfigurationError(f"{self.folder} has no tensor {name}{nearest(name, self._files)}.") from None
        except (OSError, SafetensorError) as error:
            raise ConfigurationError(f"{self._files[name]} cannot be read: {error}.") from error


def _config(folder: Path) -> Any:
    if not (folder / "config.json").is_file():
        raise ConfigurationError(f"{folder} holds no checkpoint: config.json is missing.")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # what is checked there, and how, is each model type's own
        raise ConfigurationError(f"{folder / 'config.json'} is not understood: {' '.join(str(error).split())}.") from error
    if config.model_type not in MODEL_TYPES:
        known = ", ".join(MODEL_TYPES)
        raise ConfigurationError(f"{folder} is a {config.model_type} model, which cannot be split; these can: {known}.")
    rope = config.rope_parameters["rope_type"]
    if rope in _ROPE_OF_THE_WHOLE_TEXT:
        raise ConfigurationError(
            f"{folder} turns positions by {rope!r}, which changes with the length of a text; a split model reads texts of "
            "different lengths at once and cannot do that."
        )
    return config


def _files(folder: Path) -> dict[str, Path]:
    """The file of every tensor."""
    index = folder / INDEX
    if index.is_file():
        try:
            return {name: folder / file for name, file in json.loads(index.read_text())["weight_map"].items()}
        except (ValueError, KeyError, AttributeError) as error:
            raise ConfigurationError(f"{index} is not an index of safetensors files ({error}).") from error
    file = folder / WEIGHTS
    try:
        with safe_open(file, framework="pt") as tensors:
            return dict.fromkeys(tensors.keys(), file)
    except (OSError, SafetensorError) as error:
        raise ConfigurationError(f"{folder} has neither {INDEX} nor a readable {WEIGHTS}: {error}.") from error


def _bytes(tensor: Tensor) -> bytes:
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()
