"""What goes back to the caller, in the OpenAI API's shapes."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import TypeIs

from policies.errors import IsthmusError, MethodNotAllowed, Overloaded, RequestError, ServiceError, Unauthorized
from policies.types import Path


def dump(value: object) -> bytes:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class Json(Response):
    """A JSON answer."""

    media_type = "application/json"

    def __init__(self, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(dump(value), status, headers)


class Events(Response):
    """Server-sent events. Both generators are closed whatever happens: a caller who leaves stops the engine."""

    def __init__(
        self, chunks: AsyncGenerator[bytes, None], source: AsyncGenerator[Any, None], headers: Mapping[str, str]
    ) -> None:
        """`chunks` are whole events; they cannot close their `source` if the caller leaves before the first."""
        super().__init__(None, 200, {**headers, "cache-control": "no-store"}, "text/event-stream")
        del self.headers["content-length"]
        self._chunks, self._source = chunks, source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send every chunk as soon as it is there."""
        async with aclosing(self._source), aclosing(self._chunks) as chunks:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def headers(decision_id: str, path: Path, site: str) -> dict[str, str]:
    """What the headers of an answer say of it."""
    return {"x-isthmus-decision-id": decision_id, "x-isthmus-path": _ascii(path.name), "x-isthmus-site": site}


@lru_cache(maxsize=1024)
def _ascii(name: str) -> str:
    """Headers hold ASCII only; a model's name may not."""
    return quote(name, safe="/@:+,;=()[]> ")


def event(value: object) -> bytes:
    """One server-sent event."""
    return b"data: " + dump(value) + b"\n\n"


DONE = b"data: [DONE]\n\n"


def error_body(error: IsthmusError) -> dict[str, Any]:
    """The OpenAI API's error object."""
    kind: type[ServiceError] | RequestError | ServiceError = error if _knows_status(error) else ServiceError
    return {"error": {"message": str(error), "type": kind.type, "code": kind.code, "param": getattr(error, "param", None)}}


def error_reply(error: IsthmusError) -> Json:
    """The error with its status and the header that goes with it. A wrong configuration is the service's fault: 503."""
    return Json(error_body(error), status(error), _advice(error))


def status(error: IsthmusError) -> int:
    """The HTTP status of an error."""
    return error.status if _knows_status(error) else ServiceError.status


def embeddings(model: str, vectors: Sequence[object], tokens: int) -> dict[str, Any]:
    """The body of `/v1/embeddings`."""
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return {"object": "list", "model": model, "data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def internal_error() -> Json:
    """What a caller is told of a mistake in our own code: nothing but that it is one."""
    message = "The gateway failed; its log has the details."
    return Json({"error": {"message": message, "type": "server_error", "code": "internal_error", "param": None}}, 500)


def _advice(error: IsthmusError) -> dict[str, str] | None:
    """What HTTP wants 401, 405 and 429 to say besides (RFC 9110)."""
    match error:
        case Unauthorized():
            return {"www-authenticate": "Bearer"}
        case MethodNotAllowed():
            return {"allow": error.allowed}
        case Overloaded():
            return {"retry-after": str(math.ceil(error.retry_after_s))}
    return None


def _knows_status(error: IsthmusError) -> TypeIs[RequestError | ServiceError]:
    return isinstance(error, RequestError | ServiceError)
