"""A BERT sentence encoder with mean pooling, such as all-MiniLM-L6-v2, straight in torch.

The same numbers as sentence-transformers gives (cosine above 0.999999), in half of its time for a single question and
without the ten seconds that importing it takes. A short question on one core is bound by reading the weights from memory,
so they are held in 16-bit floats where torch has the kernels for that (x86); sums stay in 32 bits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cluster.encoder.base import Encoder, FloatArray, empty

if TYPE_CHECKING:
    from torch import Tensor

_BATCH_TOKENS = 2048  # padded tokens computed at once: enough to keep the processor busy, few enough to stay in its cache
_CHARACTERS = 32_768  # of a text are looked at: the tokenizer would cut megabytes into pieces only to drop them
_NEEDED = ("config.json", "modules.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json")


class BertEncoder(Encoder):
    """Computes with as many threads as torch is set to."""

    def __init__(self, name: str, folder: Path) -> None:
        """Raises OSError, KeyError or ValueError if `folder` is not such a model; see `is_bert`."""
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        config = _read(folder / "config.json")
        super().__init__(name, config["hidden_size"])
        heads, epsilon = config["num_attention_heads"], config["layer_norm_eps"]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_longest(folder, config))
        weights = load_file(folder / "model.safetensors")
        self._words = weights["embeddings.word_embeddings.weight"]
        # A sentence is one segment, so the segment's vector can be part of the position's.
        self._positions = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
        self._norm = _norm(weights, "embeddings.LayerNorm", epsilon)
        self._layers = [_Layer(weights, f"encoder.layer.{i}.", heads, epsilon) for i in range(config["num_hidden_layers"])]

    def encode(self, texts: Sequence[str]) -> FloatArray:
        if not texts:
            return empty(self.dimension)
        tokens = self._tokens(texts)
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for rows in _batches([len(ids) for ids in tokens]):
            vectors[rows] = self._forward([tokens[row] for row in rows])
        return vectors

    def count(self, texts: Sequence[str]) -> int:
        return sum(map(len, self._tokens(texts)))

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch([text[:_CHARACTERS] for text in texts])]

    def _forward(self, tokens: Sequence[Sequence[int]]) -> FloatArray:
        import torch
        from torch.nn.functional import normalize

        longest = max(len(ids) for ids in tokens)
        padded = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in tokens])
        lengths = torch.tensor([len(ids) for ids in tokens])
        real = torch.arange(longest) < lengths[:, None]
        mask = None if bool(real.all()) else real[:, None, None, :]
        with torch.inference_mode():
            x = self._norm(self._words[padded] + self._positions[:longest])
            for layer in self._layers:
                x = layer(x, mask)
            mean = (x * real[:, :, None]).sum(1) / lengths[:, None]
            vectors: FloatArray = normalize(mean, dim=1).numpy()
        return vectors


class _Layer:
    """One transformer block, after-norm as in BERT (Devlin et al., 2019)."""

    def __init__(self, weights: Mapping[str, Tensor], prefix: str, heads: int, epsilon: float) -> None:
        import torch

        self._heads = heads
        inputs = [f"{prefix}attention.self.{part}" for part in ("query", "key", "value")]
        self._query_key_value = _linear(
            torch.cat([weights[f"{name}.weight"] for name in inputs]), torch.cat([weights[f"{name}.bias"] for name in inputs])
        )
        self._attended, self._wide, self._narrow = (
            _linear(weights[f"{prefix}{name}.weight"], weights[f"{prefix}{name}.bias"])
            for name in ("attention.output.dense", "intermediate.dense", "output.dense")
        )
        self._norm_1 = _norm(weights, f"{prefix}attention.output.LayerNorm", epsilon)
        self._norm_2 = _norm(weights, f"{prefix}output.LayerNorm", epsilon)

    def __call__(self, x: Tensor, mask: Tensor | None) -> Tensor:
        from torch.nn.functional import gelu, scaled_dot_product_attention

        batch, length, width = x.shape
        query, key, value = self._query_key_value(x).view(batch, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).reshape(batch, length, width)
        x = self._norm_1(x + self._attended(mixed))
        return self._norm_2(x + self._narrow(gelu(self._wide(x))))


def is_bert(folder: Path) -> bool:
    """Whether `folder` holds a sentence-transformers model that `BertEncoder` computes faithfully."""
    if not all((folder / name).is_file() for name in _NEEDED):
        return False
    config, pooling = _read(folder / "config.json"), _read(folder / "1_Pooling/config.json")
    kinds = [module["type"].rsplit(".", 1)[-1] for module in _read(folder / "modules.json")]
    return (
        config.get("architectures") == ["BertModel"]
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and kinds in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
        and [mode for mode, on in pooling.items() if mode.startswith("pooling_mode_") and on] == ["pooling_mode_mean_tokens"]
    )


def _linear(weight: Tensor, bias: Tensor) -> Callable[[Tensor], Tensor]:
    import torch

    if "fbgemm" in torch.backends.quantized.supported_engines:
        packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
        return lambda x: torch.ops.quantized.linear_dynamic_fp16(x, packed)
    return lambda x: torch.nn.functional.linear(x, weight, bias)


def _norm(weights: Mapping[str, Tensor], prefix: str, epsilon: float) -> Callable[[Tensor], Tensor]:
    from torch.nn.functional import layer_norm

    weight, bias = weights[f"{prefix}.weight"], weights[f"{prefix}.bias"]
    return lambda x: layer_norm(x, weight.shape, weight, bias, epsilon)


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Rows grouped by length, so that little is padded, with at most `_BATCH_TOKENS` padded tokens in each group."""
    batches: list[list[int]] = []
    room = 0
    for row in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if room == 0:
            batches.append([])
            room = max(1, math.floor(_BATCH_TOKENS / lengths[row]))
        batches[-1].append(row)
        room -= 1
    return batches


def _longest(folder: Path, config: Mapping[str, Any]) -> int:
    own = folder / "sentence_bert_config.json"
    longest = _read(own).get("max_seq_length") if own.is_file() else None
    return int(longest or config["max_position_embeddings"])


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
