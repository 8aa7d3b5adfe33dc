"""Checkpoints of a few kilobytes with random weights, written by transformers itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, PretrainedConfig, PreTrainedModel, Qwen2Config, Qwen3Config

VOCABULARY, WIDTH, LAYERS = 61, 32, 5
END = 0
FAINT = 0.1

_COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,  # large enough that texts do not repeat one token
    "bos_token_id": None,
    "eos_token_id": END,
    "pad_token_id": None,
}
_LLAMA3 = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}

CONFIGURATIONS: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**_COMMON, tie_word_embeddings=False),
    "llama_tied_scaled": LlamaConfig(
        **_COMMON,
        tie_word_embeddings=True,
        head_dim=12,
        rope_parameters={**_LLAMA3, "rope_theta": 500000.0, "original_max_position_embeddings": 16},
    ),
    "qwen2": Qwen2Config(**_COMMON, tie_word_embeddings=True),
    "qwen2_window": Qwen2Config(
        **_COMMON, tie_word_embeddings=False, use_sliding_window=True, sliding_window=6, max_window_layers=2
    ),
    "qwen3": Qwen3Config(**_COMMON, tie_word_embeddings=False, head_dim=8),
}


def write(name: str, folder: Path, shard_size: str = "5GB", faint: bool = False) -> Path:
    """The configuration `name` with random weights, biases and norms included.

    `faint` layers above the second change little, so that the model's own output says early what it says at last.
    """
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(CONFIGURATIONS[name], dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += 0.2 * torch.randn_like(parameter)
        if faint:
            for layer in model.model.layers[2:]:
                layer.self_attn.o_proj.weight.mul_(FAINT)
                layer.mlp.down_proj.weight.mul_(FAINT)
    model.save_pretrained(folder, max_shard_size=shard_size)
    return folder


def write_exits(file: Path, layers: tuple[int, ...], width: int = WIDTH, vocabulary: int = VOCABULARY) -> Path:
    """Random heads after `layers`."""
    torch.manual_seed(11)
    tensors: dict[str, Tensor] = {}
    for layer in layers:
        tensors[f"exits.{layer}.norm.weight"] = torch.rand(width) + 0.5
        tensors[f"exits.{layer}.head.weight"] = torch.randn(vocabulary, width)
    save_file(tensors, file, metadata={"format": "pt", "exit_layers": json.dumps(list(layers))})
    return file


def reference(folder: Path) -> PreTrainedModel:
    """The unsplit model, run by transformers."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
