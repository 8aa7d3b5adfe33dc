"""A trained model as a Hugging Face folder: what transformers and vLLM load."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from examples.smart_home.model import Llama, Shape
from examples.smart_home.tokens import END, PAD, save

EXITS_FILE = "exits/exits.safetensors"  # in a folder of its own, for vLLM loads every safetensors file beside config.json


def write_folder(model: Llama, tokenizer: Tokenizer, folder: Path, dtype: torch.dtype) -> None:
    """Write weights, configuration and tokenizer of `model`, and its early exits if it has any."""
    folder.mkdir(parents=True, exist_ok=True)
    save(tokenizer, folder, model.shape.max_positions)
    config = configuration(model.shape, tokenizer, dtype)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    generation = {"eos_token_id": config["eos_token_id"], "pad_token_id": config["pad_token_id"]}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    save_file(weights(model, dtype), folder / "model.safetensors", metadata={"format": "pt"})
    exits = exit_weights(model, dtype)
    if exits:
        layers = json.dumps(list(model.shape.exits))
        (folder / EXITS_FILE).parent.mkdir(exist_ok=True)
        save_file(exits, folder / EXITS_FILE, metadata={"format": "pt", "exit_layers": layers})


def configuration(shape: Shape, tokenizer: Tokenizer, dtype: torch.dtype) -> dict[str, Any]:
    """`config.json` for `LlamaForCausalLM`."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocab,
        "hidden_size": shape.width,
        "intermediate_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": shape.norm_eps,
        "rope_theta": shape.rope_theta,
        "rope_scaling": None,
        "max_position_embeddings": shape.max_positions,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": None,
        "eos_token_id": tokenizer.token_to_id(END),
        "pad_token_id": tokenizer.token_to_id(PAD),
        "torch_dtype": str(dtype).removeprefix("torch."),
    }


def weights(model: Llama, dtype: torch.dtype) -> dict[str, Tensor]:
    """The weights under the names of `LlamaForCausalLM`, without the exits."""
    state = model.state_dict().items()
    return {f"model.{name}": _stored(value, dtype) for name, value in state if not name.startswith("exits.")}


def exit_weights(model: Llama, dtype: torch.dtype) -> dict[str, Tensor]:
    """The exits as `exits.{layers}.norm.weight` (width,) and `exits.{layers}.head.weight` (vocab, width)."""
    return {name: _stored(value, dtype) for name, value in model.state_dict().items() if name.startswith("exits.")}


def _stored(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.detach().to(dtype).contiguous()
