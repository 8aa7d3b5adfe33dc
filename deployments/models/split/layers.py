"""Consecutive decoder layers of a checkpoint, through which several texts go in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AutoModel

from deployments.models.split.checkpoint import Checkpoint
from deployments.models.split.kv import KvCache
from policies.errors import ConfigurationError

ATTENTION = "isthmus_segments"


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """The next positions of one text: states (positions, width) that follow what its cache holds."""

    cache: KvCache
    states: Tensor


class Layers:
    """Layers `first`..`last - 1` (from 0). The layers themselves are those of transformers; only attention is ours.

    The texts' positions lie one after the other in one sequence, so that all matrix products are shared and nothing is
    padded. In attention every text sees its own cache.
    """

    def __init__(self, checkpoint: Checkpoint, first: int, last: int, dtype: torch.dtype, device: torch.device) -> None:
        """Read the weights of these layers and no others. Raises ConfigurationError if they do not fit the configuration."""
        self._device, self._dtype = device, dtype
        self._config = checkpoint.config
        with torch.device("meta"):  # shapes without memory, for all layers
            model = AutoModel.from_config(checkpoint.config, dtype=dtype, attn_implementation=ATTENTION)
        self._rotary = type(model.rotary_emb)(config=checkpoint.config).to(device)
        self._layers: list[nn.Module] = []
        for index in range(first, last):
            layer = model.layers[index]
            _fill(layer, checkpoint.layer(index), f"{checkpoint.folder}: layer {index + 1}")
            layer.self_attn.layer_idx = index - first
            self._layers.append(layer.to(device=device, dtype=dtype).eval())

    def __len__(self) -> int:
        return len(self._layers)

    def new_cache(self) -> KvCache:
        """An empty cache for one text."""
        config = self._config
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return KvCache(len(self), config.num_key_value_heads, head_dim, self._dtype, self._device)

    def run(self, segments: Sequence[Segment]) -> list[Tensor]:
        """The states after the last layer, (positions, width) for each segment; the caches have grown by as many.

        One pass, whatever the number of texts. No cache may come twice.
        """
        lengths = [len(segment.states) for segment in segments]
        for segment, length in zip(segments, lengths, strict=True):
            segment.cache.reserve(length)
        states = torch.cat([segment.states for segment in segments]).to(self._device, self._dtype)[None]
        positions = torch.cat([torch.arange(s.cache.length, s.cache.length + n) for s, n in zip(segments, lengths, strict=True)])
        turns = self._rotary(states, positions.to(self._device)[None])
        for layer in self._layers:
            states = layer(states, position_embeddings=turns, segments=segments)
        for segment, length in zip(segments, lengths, strict=True):
            segment.cache.commit(length)
        return list(torch.split(states[0], lengths))


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    segments: Sequence[Segment],
    scaling: float,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it: query (1, heads, all positions, head_dim) to (1, all positions, heads, head_dim)."""
    outputs, start = [], 0
    for segment in segments:
        end = start + len(segment.states)
        keys, values = segment.cache.write(module.layer_idx, key[0, :, start:end], value[0, :, start:end])  # type: ignore[arg-type]
        outputs.append(
            scaled_dot_product_attention(
                query[:, :, start:end],
                keys[None],
                values[None],
                attn_mask=_mask(end - start, keys.shape[1], sliding_window, query.device),
                scale=scaling,
                enable_gqa=query.shape[1] != keys.shape[0],
            )
        )
        start = end
    return torch.cat(outputs, 2).transpose(1, 2), None


def _mask(new: int, total: int, window: int | None, device: torch.device) -> Tensor | None:
    """(new, total): which of all positions the new ones see. None if they see all of them."""
    if new == 1 and (window is None or total <= window):
        return None
    distance = torch.arange(total - new, total, device=device)[:, None] - torch.arange(total, device=device)
    return distance >= 0 if window is None else (distance >= 0) & (distance < window)


def _fill(module: nn.Module, weights: dict[str, Tensor], what: str) -> None:
    """Put `weights` in the place of the module's shapes."""
    shapes = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items() if name in shapes}
    if found != shapes:
        wrong = next(name for name, shape in shapes.items() if found.get(name) != shape)
        raise ConfigurationError(f"{what} should have {wrong} of shape {shapes[wrong]}, but has {found.get(wrong)}.")
    module.load_state_dict({name: weights[name] for name in shapes}, assign=True)


AttentionInterface.register(ATTENTION, _attend)
