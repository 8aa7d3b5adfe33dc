"""Which handler a method and a path belong to. A table look-up: a routing library would cost more than the decision."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from deployments.gateway.visit import Visit
from policies.errors import MethodNotAllowed, NotFound

Handler = Callable[[Visit], Awaitable[Response]]


class Routes:
    """A table from (method, path) to handlers; a path that ends with a slash also stands for all that begin with it."""

    def __init__(self, table: dict[tuple[str, str], Handler]) -> None:
        self._table = table
        self._prefixes = [path for _, path in table if path.endswith("/")]

    def find(self, method: str, path: str) -> tuple[Handler, str]:
        """The handler, and what follows its prefix. Raises NotFound or MethodNotAllowed."""
        method = "GET" if method == "HEAD" else method
        prefix = path
        if (method, path) not in self._table:
            prefix = next((p for p in self._prefixes if path.startswith(p) and path != p), path)
        handler = self._table.get((method, prefix))
        if handler is not None:
            return handler, path[len(prefix) :]
        allowed = [known for known, p in self._table if p == prefix]
        if allowed:
            raise MethodNotAllowed(method, path, allowed[0])
        raise NotFound(f"There is nothing at {method} {path[:200]}; this service speaks the OpenAI API under /v1/.")
