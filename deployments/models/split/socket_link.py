"""The link between two federated sites: one WebSocket, kept open, opened again when it breaks."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Generator
from contextlib import suppress
from itertools import count

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from deployments.models.split.errors import LinkError
from deployments.models.split.numbered import NumberedLink

NUMBER = struct.Struct("<I")
"""Before each message."""
_MOST_WAITING = 10_000
_PING_S = 5.0
_LONGEST_PAUSE_S = 30.0


def _pauses() -> Generator[float]:
    """Seconds between tries, not the same for all edges that one broken cloud has."""
    for number in count():
        yield random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE_S, 0.5 * 2.0 ** min(number, 10))


class SocketLink(NumberedLink):
    """To a `SplitDoor`. While there is no connection, uploads are dropped and questions fail at once.

    The library tries again with growing pauses, without end; a connection over which no ping comes back is given up.
    """

    def __init__(self, url: str, key: str | None) -> None:
        """`url` begins with ws:// or wss://; `key` is sent as a bearer token. Connects in the background, on the running loop."""
        super().__init__()
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._waiting: asyncio.Queue[bytes] | None = None
        """What is to be sent; None while there is no connection."""
        self._why = "not yet connected"
        self._task = asyncio.create_task(self._run())

    def send(self, number: int, message: bytes) -> None:
        """Into the queue of the connection."""
        if self._waiting is None:
            raise LinkError(f"no connection to {self._url} ({self._why})")
        try:
            self._waiting.put_nowait(NUMBER.pack(number) + message)
        except asyncio.QueueFull:
            raise LinkError(f"{_MOST_WAITING} messages wait for {self._url}") from None

    async def close(self) -> None:
        """Hang up; the other side forgets the sessions."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        connecting = connect(
            self._url,
            additional_headers=self._headers,
            compression=None,  # states are noise
            max_size=None,
            ping_interval=_PING_S,
            ping_timeout=_PING_S,
            process_exception=self._note,
            reconnect_delays=_pauses,
        )
        async for connection in connecting:
            self._waiting = asyncio.Queue(_MOST_WAITING)
            sending = asyncio.create_task(self._write(connection, self._waiting))
            try:
                async for message in connection:
                    if isinstance(message, bytes) and len(message) >= NUMBER.size:
                        self.receive(NUMBER.unpack_from(message)[0], message[NUMBER.size :])
                self._why = "the other side hung up"
            except ConnectionClosed as error:
                self._why = str(error)
            finally:
                self._waiting = None
                sending.cancel()
                self.broke(f"the connection to {self._url} broke ({self._why})")

    def _note(self, error: Exception) -> Exception | None:
        """Every failure may pass, a refused key too: somebody may be about to set it."""
        self._why = str(error) or type(error).__name__
        return None

    async def _write(self, connection: ClientConnection, waiting: asyncio.Queue[bytes]) -> None:
        with suppress(ConnectionClosed):  # whoever reads notices, too
            while True:
                await connection.send(await waiting.get())
