"""A trained model as a GGUF file: what llama.cpp loads."""

import json
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from examples.smart_home.model import Llama, Shape
from examples.smart_home.tokens import CHAT_TEMPLATE, END, PAD, SPECIALS

_ARCHITECTURE = gguf.MODEL_ARCH.LLAMA


_Q8, _F32 = gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F32


def write_gguf(model: Llama, tokenizer: Tokenizer, file: Path, name: str, exactly: bool = False) -> None:
    """Write `model` and its tokenizer; matrices in 8 bits (Q8_0: 32 weights share a scale) unless `exactly`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[_ARCHITECTURE])
    writer.add_name(name)
    _add_shape(writer, model.shape)
    _add_tokenizer(writer, tokenizer)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32 if exactly else gguf.LlamaFileType.MOSTLY_Q8_0)
    _add_weights(writer, model, _F32 if exactly else _Q8)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_context_length(shape.max_positions)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_layer_norm_rms_eps(shape.norm_eps)
    writer.add_vocab_size(shape.vocab)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    learned = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    kinds = [gguf.TokenType.CONTROL if token in SPECIALS else gguf.TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(merge) for merge in learned["merges"]])
    writer.add_eos_token_id(tokenizer.token_to_id(END))
    writer.add_pad_token_id(tokenizer.token_to_id(PAD))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _add_weights(writer: gguf.GGUFWriter, model: Llama, kind: gguf.GGMLQuantizationType) -> None:
    names = gguf.get_tensor_name_map(_ARCHITECTURE, model.shape.layers)
    for name, value in model.state_dict().items():
        if name.startswith("exits."):
            continue
        array = value.detach().float().numpy()
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            array = _interleave_halves(array, model.shape.heads)
        target = names.get_name(f"model.{name}", try_suffixes=(".weight",))
        if target is None:
            raise ValueError(f"GGUF has no name for the tensor {name!r}")
        if array.ndim == 1:
            writer.add_tensor(target, array)
        else:
            writer.add_tensor(target, gguf.quants.quantize(array, kind), raw_dtype=kind)


def _interleave_halves(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows for rotary pairs (i, i + half) put at (2i, 2i + 1): llama.cpp turns neighbours, transformers halves."""
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, columns))
