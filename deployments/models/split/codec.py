"""States as they cross the link."""

from __future__ import annotations

from enum import IntEnum

import torch
from torch import Tensor

from deployments.models.split.errors import FrameError, StateError


class Wire(IntEnum):
    """Number formats of states on the link. The first two take two bytes for each number.

    A state is rounded once, when it is sent; what the cloud computes is what the full model computes from the rounded state.
    """

    FLOAT16 = 1
    BFLOAT16 = 2
    FLOAT32 = 3
    INT8 = 4
    """One scale in single precision for each position, then a byte for each number."""


NO_NUMBERS = "the model's own states are not finite numbers; try a wider dtype"
"""What has gone wrong in a model whose states are that."""
_TYPES = {Wire.FLOAT16: torch.float16, Wire.BFLOAT16: torch.bfloat16, Wire.FLOAT32: torch.float32}


def wire_named(number: int) -> Wire:
    """The format of that number. Raises FrameError if there is none."""
    try:
        return Wire(number)
    except ValueError:
        raise FrameError(f"states of format {number} are not known here") from None


def position_bytes(wire: Wire, width: int) -> int:
    """Bytes that one position takes."""
    return width + 4 if wire is Wire.INT8 else width * _TYPES[wire].itemsize


def encode(states: Tensor, wire: Wire) -> list[bytes]:
    """(positions, width) as bytes, one string for each position. Raises StateError for what the format cannot hold."""
    states = states.float().cpu()
    if wire is Wire.INT8:
        scales = states.abs().amax(1, keepdim=True) / 127
        _require_finite(scales, states, wire)
        numbers = (states / scales.clamp_min(1e-30)).round().to(torch.int8)
        rows = torch.cat([scales.flatten().view(torch.uint8).view(-1, 4), numbers.view(torch.uint8)], 1)
    else:
        sent = states.to(_TYPES[wire])
        _require_finite(sent, states, wire)
        rows = sent.contiguous().view(torch.uint8)
    return [row.tobytes() for row in rows.numpy()]


def decode(payload: bytes, wire: Wire, width: int) -> Tensor:
    """The inverse, (positions, width) in single precision. Raises StateError for numbers that are not finite."""
    size = position_bytes(wire, width)
    if not payload or len(payload) % size:
        raise StateError(f"{len(payload)} bytes are not positions of {size} bytes (width {width}, {wire.name.lower()})")
    rows = torch.frombuffer(bytearray(payload), dtype=torch.uint8).view(-1, size)
    if wire is Wire.INT8:
        scales, numbers = (part.flatten() for part in (rows[:, :4], rows[:, 4:]))
        states = scales.view(torch.float32)[:, None] * numbers.view(torch.int8).view(-1, width)
    else:
        states = rows.view(_TYPES[wire]).float()
    if not states.isfinite().all():
        raise StateError("the states hold numbers that are not finite")
    return states


def rounded(states: Tensor, wire: Wire) -> Tensor:
    """`states` as the other side will read them, (positions, width)."""
    return decode(b"".join(encode(states, wire)), wire, states.shape[1])


def _require_finite(sent: Tensor, states: Tensor, wire: Wire) -> None:
    if sent.isfinite().all():
        return
    if not states.isfinite().all():
        raise StateError(NO_NUMBERS)
    largest = states.abs().max().item()
    raise StateError(f"a state holds {largest:.3g}, more than {wire.name.lower()} can; choose wire: bfloat16")
