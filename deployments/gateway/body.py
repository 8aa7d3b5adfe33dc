"""Reading a request's body without ever holding more than the limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cluster.config import Gateway
from deployments.gateway.sentences import invalid
from policies.errors import InvalidRequest, RequestTooLarge

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
B = TypeVar("B", bound=BaseModel)
_MAX_DISCARDED = 16
"""How many times the limit is read and thrown away, so that a client that is still sending hears why it was refused."""


async def receive(messages: Receive, arrived_at: float, limits: Gateway, kind: type[B]) -> B:
    """The body as a `kind`, in the time and size that `limits` allow. Raises InvalidRequest and RequestTooLarge."""
    try:
        async with asyncio.timeout_at(arrived_at + limits.timeout_s):
            body = await read_body(messages, limits.max_body_bytes)
    except TimeoutError:
        raise InvalidRequest(f"The body was not complete after {limits.timeout_s:g} s; send it faster.") from None
    return parse_body(body, kind)


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
