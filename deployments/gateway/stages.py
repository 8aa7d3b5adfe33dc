"""The light stages, opened when they are first needed: they load an encoder, which a gateway for plain paths never uses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cluster.config import Config
from policies.types import NONE

if TYPE_CHECKING:
    from deployments.pipeline import Pipeline


class LightStages:
    """Holds the pipeline of one gateway."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._pipeline: Pipeline | None = None
        self._opening = asyncio.Lock()

    @property
    def needed(self) -> bool:
        """Whether some path of the configuration has light stages, or a profile makes every question be embedded."""
        return self._config.profile is not None or any(
            (path.preprocess, path.retrieve, path.refine) != (NONE, NONE, NONE) for path in self._config.paths
        )

    def open(self) -> Pipeline:
        """Load the pipeline now, which takes seconds. Raises ConfigurationError."""
        from deployments.pipeline import Pipeline  # imports torch

        self._pipeline = Pipeline.open(self._config)
        return self._pipeline

    async def get(self) -> Pipeline:
        """The pipeline, loaded beside the event loop if need be. Raises ConfigurationError."""
        async with self._opening:
            return await asyncio.to_thread(self.open) if self._pipeline is None else self._pipeline
