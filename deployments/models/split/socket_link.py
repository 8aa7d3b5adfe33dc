"""The link between two federated sites: one WebSocket, kept open, opened again when it breaks."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from itertools import count

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from deployments.models.split.errors import LinkError
from deployments.models.split.link import Link

NUMBER = struct.Struct("<I")
"""Before each message: 0 for one that wants no answer, else the number by which the answer is known."""
_MOST_WAITING = 10_000
_PING_S = 5.0


class SocketLink(Link):
    """To a `SplitDoor`. While there is no connection, uploads are dropped and questions fail at once.

    The library tries again with growing pauses, without end; a connection over which no ping comes back is given up.
    """

    def __init__(self, url: str, key: str | None) -> None:
        """`url` begins with ws:// or wss://; `key` is sent as a bearer token. Connects in the background, on the running loop."""
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[bytes]] = {}
        self._waiting: asyncio.Queue[bytes] | None = None
        """What is to be sent; None while there is no connection."""
        self._why = "not yet connected"
        self._task = asyncio.create_task(self._run())

    def upload(self, message: bytes) -> None:
        """Sent after what was given before it."""
        with suppress(LinkError):
            self._send(0, message)

    async def ask(self, message: bytes) -> bytes:
        """Raises LinkError without a connection, and when it breaks."""
        number = next(self._numbers)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._send(number, message)
            return await answer
        finally:
            del self._answers[number]

    async def close(self) -> None:
        """Hang up; the other side forgets the sessions."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def _send(self, number: int, message: bytes) -> None:
        if self._waiting is None:
            raise LinkError(f"no connection to {self._url} ({self._why})")
        try:
            self._waiting.put_nowait(NUMBER.pack(number) + message)
        except asyncio.QueueFull:
            raise LinkError(f"{_MOST_WAITING} messages wait for {self._url}") from None

    async def _run(self) -> None:
        connecting = connect(
            self._url,
            additional_headers=self._headers,
            compression=None,  # states are noise
            max_size=None,
            ping_interval=_PING_S,
            ping_timeout=_PING_S,
            process_exception=self._note,
        )
        async for connection in connecting:
            self._waiting = asyncio.Queue(_MOST_WAITING)
            sending = asyncio.create_task(self._write(connection, self._waiting))
            try:
                async for message in connection:
                    self._take(message)
                self._why = "the other side hung up"
            except ConnectionClosed as error:
                self._why = str(error)
            finally:
                self._waiting = None
                sending.cancel()
                self._break()

    def _note(self, error: Exception) -> Exception | None:
        """Every failure may pass, a refused key too: somebody may be about to set it."""
        self._why = str(error) or type(error).__name__
        return None

    def _take(self, message: str | bytes) -> None:
        if not isinstance(message, bytes) or len(message) < NUMBER.size:
            return
        answer = self._answers.get(NUMBER.unpack_from(message)[0])
        if answer is not None and not answer.done():
            answer.set_result(message[NUMBER.size :])

    def _break(self) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(LinkError(f"the connection to {self._url} broke ({self._why})"))

    async def _write(self, connection: ClientConnection, waiting: asyncio.Queue[bytes]) -> None:
        with suppress(ConnectionClosed):  # whoever reads notices, too
            while True:
                await connection.send(await waiting.get())
