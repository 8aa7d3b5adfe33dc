"""Starting weights that can already copy.

A reader's first need is the induction circuit (arXiv 2209.11895): a head that looks one token back, and a
later head that looks for what followed the present token before. Left to chance, small models spend
millions of tokens before it appears. Here the layers start with it: layer 0 holds heads that look 1 and 2
tokens back and heads that average the latest words, layers 1 and 3 match what was one or two back against
the present and copy what they find.
Everything else starts as usual. Training is free to change all of it.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from examples.smart_home.model import Attention, Llama, Shape

_CONSTANT = 4.0  # strength of embedding coordinate 0, equal for all tokens: what a position-only head reads
_EMBEDDING_STD = 0.5  # large beside the steps of Muon, which have a spectral norm of about 3 learning rates
_SHARP = 6.0  # length of q and k per fast rotary pair: neighbours differ by about 6 nats in layer 0
_SOFT = 5.0  # length of q and k per rotary pair where a head averages: score 3 each at distance 0
_WINDOWS = ((5, 7, 9), (7, 9, 11))  # rotary pairs of 32 that together reach back about 8 and about 25 tokens
_ONE_OR_TWO_BACK = (None, 1, None, 1)  # see `_match`
_MATCH = 6.0  # gain of q and k in layer 1, where a match should win against hundreds of strangers
_WRITE = 2.0  # of the heads of layer 0, against the embedding
_COPY = 8.0  # of the heads of layer 1, so that what is copied outweighs the token itself
_COPY_LATER = 2.0  # of the heads of the layers between, so that they do not yet copy on from what was copied
_FINAL_SCALE = 0.16  # of the last norm: a copied token then starts with a logit near 10


def initialise(model: Llama, seed: int) -> None:
    """Fill `model` in place."""
    random = torch.Generator().manual_seed(seed)
    shape = model.shape
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2:
                std = _EMBEDDING_STD if "embed" in name else 0.5 / math.sqrt(shape.width)
                parameter.normal_(0.0, std, generator=random)
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                parameter.mul_(0.2)
        model.embed_tokens.weight[:, 0] = _CONSTANT * _EMBEDDING_STD
        model.norm.weight.fill_(_FINAL_SCALE)
        _induction(model, random)
        for leave in model.leaves():
            leave.head.weight.copy_(model.embed_tokens.weight)


def deepen(model: Llama, trained: dict[str, Tensor]) -> None:
    """Put the layers of a trained shallower model first; those above pass everything on unchanged at first.

    The early exits start as the shallower model's own output, so the one at its depth is right at once.
    """
    model.load_state_dict(trained, strict=False)
    depth = 1 + max(int(name.split(".")[1]) for name in trained if name.startswith("layers."))
    shape, random = model.shape, torch.Generator().manual_seed(depth)
    looking_back = model.blocks()[0].self_attn
    with torch.no_grad():
        content = F.normalize(_rows(looking_back.v_proj.weight, 0, shape), dim=1)
        written = [F.normalize(_columns(looking_back.o_proj.weight, head, shape).T, dim=1) for head in range(shape.heads)]
        for layer in model.blocks()[depth:]:
            _match(layer.self_attn, content, torch.stack(written), _ONE_OR_TWO_BACK, 0.0, shape, random)
            layer.mlp.down_proj.weight.zero_()
        for leave in model.leaves():
            leave.head.weight.copy_(trained["embed_tokens.weight"])
            leave.norm.weight.copy_(trained["norm.weight"])


def _induction(model: Llama, random: torch.Generator) -> None:
    shape = model.shape
    content = _orthonormal(shape.head_dim, shape.width, random)
    content[:, 0] = 0.0
    written = _orthonormal(shape.width, shape.width, random).view(shape.heads, shape.head_dim, shape.width)
    looking_back = model.blocks()[0].self_attn
    for head in range(shape.heads):
        if head < 2:
            _look_back(looking_back, head, head + 1, shape)
            taken = content
        else:
            _look_around(looking_back, head, _WINDOWS[head % 2], shape)
            taken = _orthonormal(shape.head_dim, shape.width, random)
        _rows(looking_back.v_proj.weight, head, shape).copy_(taken)
        _columns(looking_back.o_proj.weight, head, shape).copy_(_WRITE * _EMBEDDING_STD * written[head].T)
    _match(model.blocks()[1].self_attn, content, written, (None, 0, None, 0), _COPY, shape, random)
    for layer in model.blocks()[3:-1]:  # layer 2 is left free to gather what is asked for
        _match(layer.self_attn, content, written, _ONE_OR_TWO_BACK, _COPY_LATER, shape, random)


def _match(
    attention: Attention,
    content: Tensor,
    written: Tensor,
    also: tuple[int | None, ...],
    strength: float,
    shape: Shape,
    random: torch.Generator,
) -> None:
    """Heads that look where what stood one back is what stands here, and copy what they find.

    Where `also` has 0, what stood two back there must stand one back here, too; 1: look where what stands
    here stood two back.
    """
    # the subspaces copied by all heads together are one orthonormal basis, so their sum copies everything
    copied = _orthonormal(shape.width, shape.width, random).view(shape.heads, shape.head_dim, shape.width)
    some, others = _slow_coordinates(shape)
    for head, more in zip(range(shape.heads), also, strict=False):
        query, key = _rows(attention.q_proj.weight, head, shape), _rows(attention.k_proj.weight, head, shape)
        coordinates = _MATCH * (some if more == 0 else some + others)[:, None]
        query.copy_(coordinates * content)
        key.copy_(coordinates * written[more or 0])
        if more == 0:
            query.add_(_MATCH * others[:, None] * written[0])
            key.add_(_MATCH * others[:, None] * written[1])
        _rows(attention.v_proj.weight, head, shape).copy_(copied[head])
        _columns(attention.o_proj.weight, head, shape).copy_(strength * _EMBEDDING_STD * copied[head].T)


def _look_back(attention: Attention, head: int, offset: int, shape: Shape) -> None:
    """q and k of `head` depend on the distance alone and peak at `offset` tokens back."""
    half = shape.head_dim // 2
    query, key = _rows(attention.q_proj.weight, head, shape), _rows(attention.k_proj.weight, head, shape)
    query.zero_()
    key.zero_()
    for pair in range(half // 4):
        angle = offset * shape.rope_theta ** (-pair / half)
        key[pair, 0] = _SHARP / _CONSTANT
        query[pair, 0] = _SHARP / _CONSTANT * math.cos(angle)
        query[pair + half, 0] = -_SHARP / _CONSTANT * math.sin(angle)


def _look_around(attention: Attention, head: int, pairs: tuple[int, ...], shape: Shape) -> None:
    """q and k of `head` depend on the distance alone and fall off slowly: it averages the latest words.

    So every position of an answer knows the words of the question, whichever they are.
    """
    half = shape.head_dim // 2
    query, key = _rows(attention.q_proj.weight, head, shape), _rows(attention.k_proj.weight, head, shape)
    query.zero_()
    key.zero_()
    for pair in pairs:
        key[pair * half // 32, 0] = _SOFT / _CONSTANT
        query[pair * half // 32, 0] = _SOFT / _CONSTANT


def _slow_coordinates(shape: Shape) -> tuple[Tensor, Tensor]:
    """Two masks over the coordinates of a head that rotary positions turn by less than a radian in 500 tokens."""
    pair = torch.arange(shape.head_dim) % (shape.head_dim // 2)
    slow = shape.rope_theta ** (-2.0 * pair / shape.head_dim) < 1 / 500
    return (slow & (pair % 2 == 0)).float(), (slow & (pair % 2 == 1)).float()


def _orthonormal(rows: int, columns: int, random: torch.Generator) -> Tensor:
    basis: Tensor = torch.linalg.qr(torch.randn(columns, rows, generator=random))[0]
    return basis.T.contiguous()


def _rows(weight: Tensor, head: int, shape: Shape) -> Tensor:
    return weight[head * shape.head_dim : (head + 1) * shape.head_dim]


def _columns(weight: Tensor, head: int, shape: Shape) -> Tensor:
    return weight[:, head * shape.head_dim : (head + 1) * shape.head_dim]
