"""Where the edges of this Ray cluster come in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence

from deployments.models.split.caller import Caller
from deployments.models.split.desk import Desk
from deployments.models.split.errors import FrameError

logger = logging.getLogger("ray.serve")

Numbered = tuple[int, bytes]
"""A message or an answer with its number (`NumberedLink`)."""


class Lobby:
    """Messages come in calls, answers go out by a stream for each edge."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._callers: dict[str, Caller] = {}

    async def put(self, edge: str, messages: Sequence[Numbered]) -> None:
        """Take messages of an edge that listens; of another nobody would hear the answers."""
        caller = self._callers.get(edge)
        if caller is None:
            return
        for number, message in messages:
            try:
                await caller.take(number, message)
            except FrameError as error:  # its states will be found missing
                logger.warning("an upload of edge %s was harmed on its way: %s", edge, error)

    async def listen(self, edge: str) -> AsyncGenerator[list[Numbered], None]:
        """All answers that are ready at once; first an empty list. When it ends, the sessions of the edge are forgotten."""
        answers: asyncio.Queue[Numbered] = asyncio.Queue()

        async def reply(number: int, answer: bytes) -> None:
            answers.put_nowait((number, answer))

        caller = self._callers[edge] = Caller(self._desk, f"edge {edge}", reply)
        try:
            yield []
            while True:
                ready = [await answers.get()]
                while not answers.empty():
                    ready.append(answers.get_nowait())
                yield ready
        finally:
            if self._callers.get(edge) is caller:
                del self._callers[edge]
            caller.leave()
