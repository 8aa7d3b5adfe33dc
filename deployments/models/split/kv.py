"""Keys and values of one text in some layers of a model."""

from __future__ import annotations

import torch
from torch import Tensor

_FIRST = 64


class KvCache:
    """Grows by doubling, so that a step does not copy what was there, and can be cut back to any length.

    `length` changes only in `commit` and `truncate`: a pass that fails half way leaves the cache as it was.
    """

    def __init__(self, layers: int, heads: int, head_dim: int, dtype: torch.dtype, device: torch.device) -> None:
        self.length = 0
        """Positions that are complete in all layers."""
        self._buffer = torch.empty((2, layers, heads, 0, head_dim), dtype=dtype, device=device)

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self._buffer.nbytes

    def nbytes_for(self, length: int) -> int:
        """Memory that it will take with room for `length` positions."""
        _, layers, heads, _, head_dim = self._buffer.shape
        return 2 * layers * heads * self._room_for(length) * head_dim * self._buffer.itemsize

    def reserve(self, positions: int) -> None:
        """Make room for `positions` more."""
        shape = list(self._buffer.shape)
        room = self._room_for(self.length + positions)
        if room == shape[3]:
            return
        shape[3] = room
        grown = self._buffer.new_empty(shape)
        grown[:, :, :, : self.length] = self._buffer[:, :, :, : self.length]
        self._buffer = grown

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Put the next positions of one layer behind what is there; all keys and values of the layer come back.

        `keys` and `values` are (heads, positions, head_dim). Room must have been reserved.
        """
        end = self.length + keys.shape[1]
        self._buffer[0, layer, :, self.length : end] = keys
        self._buffer[1, layer, :, self.length : end] = values
        return self._buffer[0, layer, :, :end], self._buffer[1, layer, :, :end]

    def commit(self, positions: int) -> None:
        """All layers have been written for `positions` more."""
        self.length += positions

    def truncate(self, length: int) -> None:
        """Forget the positions from `length` on."""
        self.length = min(self.length, length)

    def _room_for(self, length: int) -> int:
        room = int(self._buffer.shape[3])
        return room if length <= room else max(length, 2 * room, _FIRST)

    def read(self) -> Tensor:
        """All keys and values: (2, layers, heads, length, head_dim)."""
        return self._buffer[:, :, :, : self.length]
