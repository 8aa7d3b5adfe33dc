"""The link between two sites of one Ray cluster: calls up, and one streaming call down."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Any

from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from deployments.models.failures import unwrap
from deployments.models.split.errors import LinkError
from deployments.models.split.numbered import NumberedLink
from policies.errors import EngineFailed, EngineUnavailable

_PAUSE_S = 1.0


class RayLink(NumberedLink):
    """To the replica of `SplitCloud`. All that is sent in one turn of the event loop goes up in one call, and all answers of a
    pass come down as one piece of the stream: a Ray call costs milliseconds, whatever it carries.
    """

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        """Connects in the background, on the running loop."""
        super().__init__()
        self._edge = secrets.token_hex(8)
        self._put: DeploymentHandle[Any] = handle.put
        self._listen: DeploymentHandle[Any] = handle.options(stream=True).listen
        self._waiting: list[tuple[int, bytes]] = []
        self._is_up = False
        self._why = "not yet connected"
        self._task = asyncio.create_task(self._run())

    def send(self, number: int, message: bytes) -> None:
        """With whatever else is sent in this turn of the loop."""
        if not self._is_up:
            raise LinkError(f"no connection to the cloud's part ({self._why})")
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append((number, message))

    async def close(self) -> None:
        """End the stream; the other side forgets the sessions."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def _flush(self) -> None:
        messages, self._waiting = self._waiting, []
        try:
            self._put.remote(self._edge, messages)
        except Exception as error:
            self.broke(_reason(error))

    async def _run(self) -> None:
        while True:
            stream: DeploymentResponseGenerator[Any] | None = None
            try:
                stream = self._listen.remote(self._edge)
                async for answers in stream:  # the first is empty and says that the other side is there
                    self._is_up = True
                    for number, answer in answers:
                        self.receive(number, answer)
                self._why = "its stream ended"
            except Exception as error:
                self._why = _reason(error)
            finally:
                self._is_up = False
                with suppress(Exception):
                    if stream is not None:
                        stream.cancel()
                self.broke(f"the connection to the cloud's part broke ({self._why})")
            await asyncio.sleep(_PAUSE_S)


def _reason(error: Exception) -> str:
    meaning = unwrap(error, "the cloud's part")
    return meaning.why if isinstance(meaning, EngineUnavailable | EngineFailed) else str(meaning)
