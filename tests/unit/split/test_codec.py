"""States as bytes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deployments.models.split.codec import Wire, decode, encode, position_bytes, rounded
from deployments.models.split.errors import StateError


@given(st.sampled_from(Wire), st.integers(1, 9), st.integers(1, 65), st.integers(0, 2**32 - 1))
def test_rounding_is_within_the_format(wire: Wire, positions: int, width: int, seed: int) -> None:
    states = torch.randn(positions, width, generator=torch.Generator().manual_seed(seed)) * 10
    rows = encode(states, wire)
    assert [len(row) for row in rows] == [position_bytes(wire, width)] * positions
    back = decode(b"".join(rows), wire, width)
    scale = states.abs().amax(1, keepdim=True) / 127 / 2
    allowed = {
        Wire.FLOAT16: states.abs() * 2**-11 + 1e-7,
        Wire.BFLOAT16: states.abs() * 2**-8,
        Wire.FLOAT32: torch.zeros_like(states),
        Wire.INT8: scale.expand_as(states) * 1.001 + 1e-7,
    }[wire]
    assert ((back - states).abs() <= allowed).all()
    assert torch.equal(rounded(back, wire), back) or wire is Wire.INT8


def test_two_bytes_a_number() -> None:
    assert position_bytes(Wire.FLOAT16, 256) == position_bytes(Wire.BFLOAT16, 256) == 512
    assert position_bytes(Wire.INT8, 256) == 260


@pytest.mark.parametrize("wire", list(Wire))
def test_zeros(wire: Wire) -> None:
    assert torch.equal(rounded(torch.zeros(2, 3), wire), torch.zeros(2, 3))


@pytest.mark.parametrize("wire", list(Wire))
def test_states_that_are_no_numbers_are_not_sent(wire: Wire) -> None:
    with pytest.raises(StateError, match="not finite"):
        encode(torch.tensor([[1.0, torch.nan]]), wire)


def test_states_too_large_for_half_precision_name_the_remedy() -> None:
    with pytest.raises(StateError, match=r"1e\+05, more than float16 can; choose wire: bfloat16"):
        encode(torch.tensor([[1.0, -1e5]]), Wire.FLOAT16)


@pytest.mark.parametrize("wire", [Wire.FLOAT16, Wire.BFLOAT16, Wire.FLOAT32])
def test_states_that_are_no_numbers_are_not_received(wire: Wire) -> None:
    with pytest.raises(StateError, match="not finite"):
        decode(b"\xff" * position_bytes(wire, 4), wire, 4)


def test_half_a_position_is_refused() -> None:
    with pytest.raises(StateError, match="7 bytes are not positions of 8 bytes"):
        decode(b"1234567", Wire.FLOAT16, 4)
