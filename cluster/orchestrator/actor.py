"""The orchestrator: a shell around `policies.learner`, alone in its process. It is on no request's way.

It takes what gateways have experienced, hands out what was learnt, and keeps that on disk. Gateways hold an experience until it
is on disk, so that a killed orchestrator loses nothing that a living gateway has told it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from cluster.orchestrator.checkpoint import Checkpoint, DatabaseAway, Kept
from cluster.orchestrator.demand import Counters
from policies.experience import Batch, Learned
from policies.learner import UNUSABLE, Learner
from policies.scaling import Demand

logger = logging.getLogger("ray.serve")

EVERY_S = 0.5
"""Seconds between two looks whether there is something to save."""
SILENT_S = 5.0
"""A gateway that has said nothing for so long has nothing at its servers."""
LEASE_S = 120.0
"""With no gateway left for so long the orchestrator ends itself."""


@dataclass(frozen=True, slots=True)
class Status:
    """What `isthmus status` shows. Times in seconds."""

    version: int = 0
    outcomes: int = 0
    ratings: int = 0
    gateways: int = 0
    saved_version: int = 0
    """The version that is on disk."""
    saved_ago_s: float | None = None
    """Since it was written; None if this process has written none."""
    restored_version: int | None = None
    """The version that this process began with; None if from the profile."""
    trouble: str | None = None
    """Why state is not kept, or what could not be used."""
    demand: Mapping[str, Demand] = field(default_factory=dict)
    """What came for each model since this process began."""


@dataclass(frozen=True, slots=True)
class Reply:
    """To one gateway's batch."""

    wanted: int
    """Number of the next experience to tell."""
    kept: int
    """Experiences before this number are on disk and may be forgotten."""
    learned: Learned | None
    """None when the gateway knows it already."""
    elsewhere: Mapping[str, tuple[float, ...]]
    """Requests that other gateways have at each server, by model, in the order of the gateway's own servers."""
    status: Status = field(default_factory=Status)


class Orchestrator:
    """The only writer of learned state. For one event loop; created as a Ray actor by `cluster.orchestrator.handle`."""

    def __init__(
        self,
        url: str,
        end: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`url` is the checkpoint's database; `end` is called when nobody has asked for LEASE_S. Raises ConfigurationError."""
        self._checkpoint = Checkpoint(url, wall_clock)
        self._end = end
        self._clock = clock
        self._learner = Learner()
        self._loaded = False
        self._saved_at: float | None = None
        self._heard_on_disk: Mapping[str, int] = {}
        self._status = Status()
        self._last_batches: dict[str, tuple[float, Batch]] = {}
        self._asked_at = clock()
        self._counters = Counters()
        self._saving = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load what was kept, and keep what is learnt from now on."""
        await self._load()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Save, and let go of the database."""
        if self._task is not None:
            self._task.cancel()
        await self._save()
        self._checkpoint.close()

    async def exchange(self, batch: Batch, save: bool = False) -> Reply:
        """Learn, and tell what was learnt; with `save` it is on disk when this returns, if it can be."""
        now = self._asked_at = self._clock()
        self._last_batches[batch.gateway] = (now, batch)
        self._counters.take(batch.gateway, batch.demand)
        wanted = self._learner.take(batch, now)
        if save:
            await self._save()
        learned = self._learner.learned(now) if self._learner.version != batch.known else None
        kept = self._heard_on_disk.get(batch.gateway, 0)
        return Reply(wanted, kept, learned, self._elsewhere(batch, now), self.status())

    def status(self) -> Status:
        """Now."""
        learner, now = self._learner, self._clock()
        gateways = sum(now - at < SILENT_S for at, _ in self._last_batches.values())
        ago = None if self._saved_at is None else now - self._saved_at
        return replace(
            self._status,
            version=learner.version,
            outcomes=learner.outcomes,
            ratings=learner.ratings,
            gateways=gateways,
            saved_ago_s=ago,
            demand=self._counters.totals(),
        )

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            if not self._loaded:
                await self._load()
            if self._learner.version != self._status.saved_version:
                await self._save()
            self._forget_silent()
            if self._clock() - self._asked_at > LEASE_S:
                await self._save()
                self._end()

    async def _load(self) -> None:
        """Begin with what was kept. What was learnt while the database was away gives way to it, once it is there."""
        try:
            kept = await asyncio.to_thread(self._checkpoint.load)
            if kept.state is not None:
                kept = await self._restore(kept)
        except DatabaseAway as error:
            self._tell(f"the checkpoint cannot be read ({error}); nothing is kept until it can")
            return
        self._loaded = True
        self._tell(kept.aside)

    async def _restore(self, kept: Kept) -> Kept:
        try:
            self._learner = Learner.load(kept.state or {}, kept.age_s, self._clock())
        except UNUSABLE as error:
            return await asyncio.to_thread(self._checkpoint.put_aside, f"cannot be understood ({error!r})")
        version = self._learner.version
        self._heard_on_disk = self._learner.heard()
        self._status = replace(self._status, restored_version=version, saved_version=version)
        logger.info("learned state of version %d, saved %.1f s ago, is back", version, kept.age_s)
        return kept

    async def _save(self) -> None:
        async with self._saving:
            if not self._loaded or self._learner.version == self._status.saved_version:
                return
            state, version, heard = self._learner.dump(self._clock()), self._learner.version, self._learner.heard()
            try:
                await asyncio.to_thread(self._checkpoint.save, state)
            except DatabaseAway as error:
                self._tell(f"the checkpoint cannot be written ({error}); it is tried again")
                return
            if self._status.trouble and "cannot be written" in self._status.trouble:
                self._tell(None)
            self._saved_at = self._clock()
            self._heard_on_disk = heard
            self._status = replace(self._status, saved_version=version)

    def _elsewhere(self, batch: Batch, now: float) -> dict[str, tuple[float, ...]]:
        others = [
            (other.servers.get(model, ()), counts)
            for gateway, (at, other) in self._last_batches.items()
            if gateway != batch.gateway and now - at < SILENT_S
            for model, counts in other.outstanding.items()
        ]
        sums: dict[str, float] = {}
        for servers, counts in others:
            for server, count in zip(servers, counts, strict=False):
                sums[server] = sums.get(server, 0.0) + count
        return {model: tuple(sums.get(server, 0.0) for server in servers) for model, servers in batch.servers.items()}

    def _forget_silent(self) -> None:
        now = self._clock()
        for gateway in [gateway for gateway, (at, _) in self._last_batches.items() if now - at >= LEASE_S]:
            del self._last_batches[gateway]
            self._counters.forget(gateway)

    def _tell(self, trouble: str | None) -> None:
        """Once per trouble."""
        if trouble and trouble != self._status.trouble:
            logger.warning("%s", trouble)
        self._status = replace(self._status, trouble=trouble)
