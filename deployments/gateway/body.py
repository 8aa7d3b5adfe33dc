"""Reading a request's body without ever holding more than the limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from deployments.gateway.sentences import invalid
from policies.errors import RequestTooLarge

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
B = TypeVar("B", bound=BaseModel)
_MAX_DISCARDED = 16
"""How many times the limit is read and thrown away, so that a client that is still sending hears why it was refused."""


async def read_body(receive: Receive, max_bytes: int) -> bytes:
    """The body of an ASGI request. Raises RequestTooLarge above `max_bytes`, after discarding what the client still sends."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more and size <= _MAX_DISCARDED * max_bytes:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        more = message.get("more_body", False)
        if size <= max_bytes:
            chunks.append(chunk)
        else:
            chunks.clear()
    if size > max_bytes:
        raise RequestTooLarge(size, max_bytes)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parse_body(body: bytes, kind: type[B]) -> B:
    """`body` as a `kind`. Raises InvalidRequest with the first mistake and its field."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from None
