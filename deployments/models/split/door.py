"""Where the edges of other sites come in: a WebSocket server in the replica of the cloud's part."""

from __future__ import annotations

import logging
from contextlib import suppress
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from deployments.gateway.keys import Keys
from deployments.models.split.caller import Caller
from deployments.models.split.desk import Desk
from deployments.models.split.errors import FrameError
from deployments.models.split.socket_link import NUMBER
from policies.errors import ConfigurationError, Unauthorized

logger = logging.getLogger("ray.serve")

MOST_BYTES = 256 * 2**20
"""Of one message: 4,000 positions of the widest models."""
_HARMED = 1007
"""The WebSocket close code for data that is not what it should be."""


class SplitDoor:
    """One connection for each edge. When it ends, its sessions are forgotten."""

    def __init__(self, desk: Desk, host: str, port: int, keys: Keys) -> None:
        """At port 0 it listens at any that is free."""
        self._desk = desk
        self._host = host
        self._port = port
        self._keys = keys
        self._server: Server | None = None

    @property
    def port(self) -> int:
        """Where it listens, also when any port was wanted."""
        return self._server.sockets[0].getsockname()[1] if self._server else self._port

    async def open(self) -> None:
        """Listen. Raises ConfigurationError when the address cannot be used."""
        try:
            self._server = await serve(
                self._welcome,
                self._host,
                self._port,
                process_request=self._check,
                compression=None,
                max_size=MOST_BYTES,
            )
        except OSError as error:
            raise ConfigurationError(f"{self._host}:{self._port} cannot be listened on: {error.strerror}.") from error

    async def close(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _check(self, _: ServerConnection, request: Request) -> Response | None:
        try:
            self._keys.check(request.headers.get("Authorization", "").encode())
        except Unauthorized as error:
            status = HTTPStatus.UNAUTHORIZED
            return Response(status, status.phrase, Headers(), f"{error}\n".encode())
        return None

    async def _welcome(self, connection: ServerConnection) -> None:
        async def reply(number: int, answer: bytes) -> None:
            with suppress(ConnectionClosed):  # an edge that has gone hears nothing
                await connection.send(NUMBER.pack(number) + answer)

        caller = Caller(self._desk, str(connection.remote_address), reply)
        try:
            async for message in connection:
                if not isinstance(message, bytes) or len(message) < NUMBER.size:
                    raise FrameError("a message begins with its number")
                await caller.take(NUMBER.unpack_from(message)[0], message[NUMBER.size :])
        except FrameError as error:
            logger.warning("hung up on %s: %s", connection.remote_address, error)
            await connection.close(_HARMED, str(error)[:120])
        finally:
            caller.leave()
