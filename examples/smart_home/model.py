"""A Llama transformer in plain PyTorch, with early exits, for training on trees of questions.

The parameters carry the names and shapes of Hugging Face's `LlamaForCausalLM` (rotary halves, RMSNorm,
SwiGLU, tied embeddings), so an export only writes them down. Two things differ from an ordinary
implementation: the caller gives positions and the attention mask, because one training row holds many
questions over the same passages, and logits are computed only where an answer is read.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a model; `exits` are the numbers of layers after which an early exit reads."""

    vocab: int
    width: int = 256
    layers: int = 4
    heads: int = 4
    hidden: int = 512
    exits: tuple[int, ...] = ()
    rope_theta: float = 1e6
    max_positions: int = 2048
    norm_eps: float = 1e-5

    @property
    def head_dim(self) -> int:
        return self.width // self.heads


class Norm(nn.Module):
    """Root-mean-square norm with a learned scale (arXiv 1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


class Attention(nn.Module):
    """Multi-head attention with rotary positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.head_dim = shape.heads, shape.head_dim
        self.q_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.k_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.v_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.o_proj = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """`x`: (rows, time, width); `mask`: (rows, 1, time, time), true where a position may look."""
        rows, time, width = x.shape
        q, k, v = (
            project(x).view(rows, time, self.heads, self.head_dim).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = F.scaled_dot_product_attention(_rotate(q, rotary), _rotate(k, rotary), v, attn_mask=mask)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(rows, time, width))
        return out


class FeedForward(nn.Module):
    """SwiGLU (arXiv 2002.05202)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down_proj = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    """One pre-norm block."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = FeedForward(shape)
        self.input_layernorm = Norm(shape.width, shape.norm_eps)
        self.post_attention_layernorm = Norm(shape.width, shape.norm_eps)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotary, mask)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Exit(nn.Module):
    """An early exit: its own norm and its own head (vocab, width)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm = Norm(shape.width, shape.norm_eps)
        self.head = nn.Linear(shape.width, shape.vocab, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.norm(x))
        return logits


class Llama(nn.Module):
    """The whole model; `forward` returns the logits of every exit, the last layer's last."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.norm_eps)
        self.exits = nn.ModuleDict({str(depth): Exit(shape) for depth in shape.exits})

    def forward(self, tokens: Tensor, positions: Tensor, mask: Tensor, read: Tensor) -> list[Tensor]:
        """`tokens`, `positions`: (rows, time); `read`: flat indices of the positions whose logits are wanted."""
        rotary = rotation(positions, self.shape)
        x, logits = self.embed_tokens(tokens), []
        for depth, layer in enumerate(self.layers, start=1):
            x = layer(x, rotary, mask)
            if depth in self.shape.exits:
                logits.append(self.exits[str(depth)](_pick(x, read)))
        logits.append(self.norm(_pick(x, read)) @ self.embed_tokens.weight.T)
        return logits

    def blocks(self) -> list[Layer]:
        """The layers, lowest first."""
        return [cast(Layer, layer) for layer in self.layers]

    def leaves(self) -> list[Exit]:
        """The early exits, lowest first."""
        return [cast(Exit, self.exits[str(depth)]) for depth in self.shape.exits]

    def parameter_count(self) -> int:
        """Parameters without the exits, which an ordinary server never loads."""
        return sum(p.numel() for name, p in self.named_parameters() if not name.startswith("exits."))


def rotation(positions: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosine and sine for `positions`, each (rows, 1, time, head_dim), both halves alike (Hugging Face order)."""
    half = torch.arange(0, shape.head_dim, 2, dtype=torch.float32, device=positions.device)
    frequency = shape.rope_theta ** (-half / shape.head_dim)
    angle = positions[:, None, :, None].float() * frequency
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos(), angle.sin()


def _rotate(x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = rotary
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def _pick(x: Tensor, read: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])[read]
