"""The profile of a gateway: read when it starts, learnt from beside the event loop, and again when its files change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import numpy as np

from cluster.config import Config
from cluster.encoder import Encoder
from cluster.profile import Table
from cluster.profile.signals import FILE as SIGNALS
from cluster.profile.table import OUTCOMES, PATHS, QUERIES
from cluster.snapshot import Snapshot, fit_snapshot, read_profile
from deployments.gateway.chooser import Chooser
from deployments.gateway.stages import LightStages
from policies.errors import ConfigurationError

logger = logging.getLogger("ray.serve")

EVERY_S = 5.0
"""Seconds between two looks at the files; they are read once they are the same in two of them, so never half written."""
_BATCH = 64

Stamp = tuple[tuple[int, int], ...]


class Profiled:
    """Gives the chooser its snapshots."""

    def __init__(self, config: Config, stages: LightStages, chooser: Chooser) -> None:
        """Reads the profile, so that one that cannot be used ends the start. Raises ConfigurationError."""
        self._config = config
        self._stages = stages
        self._chooser = chooser
        self._stamp = self._look()
        self._first: Table | None = read_profile(config) if config.profile else None
        self._task: asyncio.Task[None] | None = None

    @property
    def missing(self) -> list[str]:
        """What a gateway that is asked whether it is ready still waits for."""
        return ["profile"] if self._first is not None else []

    def start(self) -> None:
        """Learn, and look for changes from now on, on the running event loop."""
        if self._config.profile is not None:
            self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def once(self) -> None:
        """Learn from the profile as it was read at the start, or from the files if they have changed and settled."""
        if self._first is not None:
            try:
                await self._learn(self._first)
            except Exception as error:
                self._chooser.without = f"the profile could not be learnt from ({error})"
                raise
            finally:
                self._first = None
            return
        stamp = self._look()
        if stamp != self._stamp:
            await asyncio.sleep(EVERY_S)
            if stamp == self._look():
                self._stamp = stamp
                await self._learn(await asyncio.to_thread(read_profile, self._config))

    async def _learn(self, table: Table) -> None:
        pipeline = await self._stages.get()
        snapshot = await asyncio.to_thread(_snapshot, self._config, table, pipeline.encoder)
        self._chooser.snapshot = snapshot
        logger.info("auto chooses among %d paths by %d queries", len(snapshot.paths), snapshot.queries)

    def _look(self) -> Stamp:
        """Size and time of each file; (0, 0) for one that is not there."""
        folder = self._config.profile
        if folder is None:
            return ()
        files = [folder / name for name in (QUERIES, OUTCOMES, PATHS, SIGNALS)]
        return tuple((file.stat().st_size, file.stat().st_mtime_ns) if file.exists() else (0, 0) for file in files)

    async def _run(self) -> None:
        while True:
            try:
                await self.once()
            except ConfigurationError as error:
                logger.warning("the profile that has changed is not used: %s", error)
            except Exception:
                logger.exception("the profile could not be learnt from")
            await asyncio.sleep(EVERY_S)


def _snapshot(config: Config, table: Table, encoder: Encoder) -> Snapshot:
    """In batches, so that a question that comes meanwhile waits for one of them at most."""
    queries: Sequence[str] = table.profile.queries
    parts = [encoder.encode(queries[start : start + _BATCH]) for start in range(0, len(queries), _BATCH)]
    return fit_snapshot(config, table, np.concatenate(parts))
