"""What this gateway experiences goes to the orchestrator, and what all gateways have experienced comes back.

No request waits for it: experiences are put into a bounded queue, and a task of its own exchanges a few times a second. An
orchestrator that is away costs learning time; what it has not yet written to disk is told again.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from typing import Any

from cluster.orchestrator.actor import Reply, Status
from cluster.orchestrator.handle import Exchange
from deployments.gateway.chooser import Chooser
from deployments.gateway.dispatch import Dispatch
from policies.experience import Batch, Experience, Learned, Served
from policies.schedule.arms import Lesson

logger = logging.getLogger("ray.serve")

EVERY_S = 0.5
_IDLE_S = 2.0
"""Seconds between two exchanges of a gateway that has nothing to tell."""
_PATIENCE_S = 5.0
_BATCH = 2000


class Learning:
    """One gateway's side. For one event loop."""

    def __init__(self, connect: Callable[[], Exchange], capacity: int = 20_000) -> None:
        """`connect` finds the orchestrator or starts it; it may block and fail. At most `capacity` experiences wait."""
        self._connect = connect
        self._capacity = capacity
        self._gateway = uuid.uuid4().hex
        self._queue: deque[Experience] = deque()
        self._oldest = self._wanted = 0
        self._known = 0
        self._exchange: Exchange | None = None
        self._dispatch: Dispatch | None = None
        self._chooser: Chooser | None = None
        self._task: asyncio.Task[None] | None = None
        self._status: Status | None = None
        self._well = True
        self._exchanged_at = float("-inf")
        self.lost = 0
        """Experiences that the orchestrator will never hear of, because it was away for too long."""

    def serve(self, dispatch: Dispatch, chooser: Chooser) -> None:
        """Hand what is learnt to these."""
        self._dispatch, self._chooser = dispatch, chooser

    def served(self, model: str, lesson: Lesson) -> None:
        """An outcome at a server. Never waits."""
        self.note(Served(model, lesson))

    def note(self, experience: Experience) -> None:
        """Have the orchestrator told. Never waits; with a full queue the oldest is given up."""
        if len(self._queue) >= self._capacity:
            self._queue.popleft()
            self.lost += self._oldest >= self._wanted  # others it has heard, and only not yet kept
            self._oldest += 1
        self._queue.append(experience)

    def start(self) -> None:
        """Exchange from now on, on the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Tell what is still in the queue, and have it kept."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self.once(save=True)

    def status(self) -> dict[str, Any]:
        """What the orchestrator last said of itself, for people."""
        state = "away" if not self._well or self._status is None else "there"
        return {"state": state, "waiting": len(self._queue), "lost": self.lost, **asdict(self._status or Status())}

    async def once(self, save: bool = False) -> None:
        """One exchange. Whatever fails, requests go on, and it is tried again."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                if self._exchange is None:
                    self._exchange = await asyncio.to_thread(self._connect)
                reply = await self._exchange(self._batch(), save)
        except Exception as error:
            self._exchange = None
            if self._well:
                logger.warning("the orchestrator is away (%s); what it should learn waits", str(error).splitlines()[:1])
            self._well = False
            return
        self._well = True
        self._take(reply)

    def _batch(self) -> Batch:
        first = min(max(self._wanted, self._oldest), self._oldest + len(self._queue))
        skip = first - self._oldest
        fleets = self._dispatch.fleets if self._dispatch else {}
        return Batch(
            gateway=self._gateway,
            first=first,
            oldest=self._oldest,
            experiences=tuple(islice(self._queue, skip, skip + _BATCH)),
            known=self._known,
            servers={name: fleet.names for name, fleet in fleets.items()},
            outstanding={name: tuple(fleet.board.outstanding.tolist()) for name, fleet in fleets.items()},
            demand={name: fleet.demand for name, fleet in fleets.items()},
        )

    def _take(self, reply: Reply) -> None:
        self._status = reply.status
        self._wanted = reply.wanted
        while self._oldest < reply.kept and self._queue:
            self._queue.popleft()
            self._oldest += 1
        if self._dispatch is not None:
            for model, counts in reply.elsewhere.items():
                self._dispatch.fleets[model].elsewhere(counts)
        if reply.learned is not None:
            self._adopt(reply.learned)

    def _adopt(self, learned: Learned) -> None:
        """In one step of the event loop: a request sees all of a version or nothing of it."""
        self._known = learned.version
        if self._dispatch is not None:
            later: dict[str, list[Lesson]] = {}
            for experience in islice(self._queue, max(0, self._wanted - self._oldest), None):
                if isinstance(experience, Served):
                    later.setdefault(experience.model, []).append(experience.lesson)
            for model, state in learned.fleets.items():
                if model in self._dispatch.fleets:
                    self._dispatch.fleets[model].adopt(state, later.get(model, ()))
        if self._chooser is not None:
            self._chooser.learnt(learned.corrections)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if self._wanted < self._oldest + len(self._queue) or loop.time() > self._exchanged_at + _IDLE_S:
                await self.once()
                self._exchanged_at = loop.time()
            await asyncio.sleep(EVERY_S)
