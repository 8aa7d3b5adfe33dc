"""The wire format: self-delimiting frames with version and checksum, any number of them in one message.

    length u32 | version u8 | kind u8 | epoch u16 | model u32 | session u64 | first u32 | count u16 | wire u8 | flags u8
    | payload | crc32 u32

All little-endian. `length` counts what follows it; the checksum covers everything before it, `length` included.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from deployments.models.split.errors import FrameError

VERSION = 1
_HEADER = struct.Struct("<IBBHIQIHBB")
_CHECKSUM = struct.Struct("<I")
_COUNT = struct.Struct("<H")
OVERHEAD = _HEADER.size + _CHECKSUM.size
"""Bytes of a frame without payload."""


class Kind(IntEnum):
    """What a frame says. The first four go to the cloud, the others come back."""

    OPEN = 1
    """How tokens are to be drawn in this session (`draw.pack`)."""
    STATES = 2
    """States of `count` positions from `first` on."""
    ASK = 3
    """The tokens that follow the positions `first`..`first + count - 1`.

    The payload (`Question`) may hold the tokens generated so far, and the last states, those of `first + count - 1` and before.
    """
    CLOSE = 4
    """The session is over."""
    TOKENS = 5
    """Microseconds (u32) and joules (f32) of the work, then the `count` tokens asked for, each u32."""
    MISSING = 6
    """Everything from position `first` on is missing, as of `epoch`."""
    REFUSED = 7
    """Why not, in UTF-8."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of the protocol."""

    kind: Kind
    model: int
    """Fingerprint of the checkpoint and its cut (`Checkpoint.fingerprint`)."""
    session: int
    epoch: int = 0
    """How often the edge has taken positions back in this session, modulo 65536."""
    first: int = 0
    count: int = 0
    wire: int = 0
    afresh: bool = False
    """With states: what was sent before of their positions and later ones is void; with MISSING: the session is not known."""
    payload: bytes = b""

    def pack(self) -> bytes:
        """As bytes."""
        length = OVERHEAD - 4 + len(self.payload)
        head = _HEADER.pack(
            length,
            VERSION,
            self.kind,
            self.epoch,
            self.model,
            self.session,
            self.first,
            self.count,
            self.wire,
            int(self.afresh),
        )
        checksum = zlib.crc32(self.payload, zlib.crc32(head))
        return b"".join((head, self.payload, _CHECKSUM.pack(checksum)))


def unpack(message: bytes) -> Iterator[Frame]:
    """The frames of a message. Raises FrameError where one is truncated, harmed or of another version."""
    start = 0
    while start < len(message):
        if len(message) - start < OVERHEAD:
            raise FrameError(f"the last {len(message) - start} bytes of {len(message)} are too few for a frame")
        length, version, kind, *fields, afresh = _HEADER.unpack_from(message, start)
        end = start + 4 + length
        if length < OVERHEAD - 4 or end > len(message):
            raise FrameError(f"a frame of {length + 4} bytes was announced, {len(message) - start} are there")
        if _CHECKSUM.unpack_from(message, end - 4)[0] != zlib.crc32(memoryview(message)[start : end - 4]):
            raise FrameError(f"the checksum of a frame of {length + 4} bytes is wrong")
        if version != VERSION:
            raise FrameError(f"the frame has version {version}, this side speaks {VERSION}; run the same release on both")
        if kind not in Kind._value2member_map_ or afresh > 1:
            raise FrameError(f"the frame has kind {kind} and flags {afresh}, which this side does not know")
        epoch, model, session, first, count, wire = fields
        payload = message[start + _HEADER.size : end - 4]
        yield Frame(Kind(kind), model, session, epoch, first, count, wire, bool(afresh), payload)
        start = end


def pack_tokens(tokens: list[int]) -> bytes:
    """Token ids, four bytes each."""
    return struct.pack(f"<{len(tokens)}I", *tokens)


def unpack_tokens(payload: bytes) -> list[int]:
    """The inverse. Raises FrameError when the payload is no whole number of tokens."""
    if len(payload) % 4:
        raise FrameError(f"{len(payload)} bytes are no whole number of tokens")
    return list(struct.unpack(f"<{len(payload) // 4}I", payload))


@dataclass(frozen=True, slots=True)
class Question:
    """The payload of an ASK frame."""

    generated: list[int]
    states: bytes

    def pack(self) -> bytes:
        """As bytes."""
        return b"".join((_COUNT.pack(len(self.generated)), pack_tokens(self.generated), self.states))

    @classmethod
    def unpack(cls, payload: bytes) -> Question:
        """The inverse. Raises FrameError when fewer tokens are there than were announced."""
        if len(payload) < _COUNT.size:
            raise FrameError("a question holds at least the number of its tokens")
        (count,) = _COUNT.unpack_from(payload)
        states_at = _COUNT.size + 4 * count
        if len(payload) < states_at:
            raise FrameError(f"{count} tokens were announced, {len(payload) - _COUNT.size} bytes are there")
        return cls(unpack_tokens(payload[_COUNT.size : states_at]), payload[states_at:])
