"""`SplitCloud`: the Serve deployment that runs the cloud's part of a split model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress

import torch
from ray import serve
from ray.serve import Application

from cluster.config import Config, SplitModel
from cluster.energy import EnergyMeter
from cluster.servers import cloud_site
from deployments.gateway.keys import Keys
from deployments.models.split.checkpoint import Checkpoint
from deployments.models.split.cloud import CloudPart
from deployments.models.split.desk import Desk
from deployments.models.split.door import SplitDoor
from deployments.models.split.load import device_for, dtype_of, partition_of
from deployments.models.split.lobby import Lobby, Numbered

SWEEP_S = 5.0
MOST_AT_ONCE = 10_000
"""Messages under way: uploads only wait in memory that the desk bounds, and whoever asks waits for the next pass."""


class SplitCloud:
    """One replica, since sessions live in it; several would each know some of them."""

    async def __init__(self, name: str, config: SplitModel) -> None:  # type: ignore[misc]  # Serve awaits it
        """Load layers a+1..N of the model `name`. Raises ConfigurationError, which Serve shows in its status."""
        cloud = config.cloud
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="split-cloud")
        part = await asyncio.get_running_loop().run_in_executor(self._thread, _load, config)
        meter = EnergyMeter.of_this_process(cloud.power, gpus=cloud.gpus)
        self._desk = Desk(part, self._thread, int(cloud.memory_gib * 2**30), cloud.idle_s, meter=meter)
        self._sweeping = asyncio.create_task(self._sweep())
        self._lobby = Lobby(self._desk)
        self._door: SplitDoor | None = None
        if cloud.address is not None:
            keys = Keys.from_environment(cloud.key_env, f"models.{name}.cloud.key_env")
            self._door = SplitDoor(self._desk, *cloud.address, keys)
            await self._door.open()

    async def put(self, edge: str, messages: list[Numbered]) -> None:
        """Messages of an edge, see `Lobby.put`."""
        await self._lobby.put(edge, messages)

    async def listen(self, edge: str) -> AsyncGenerator[list[Numbered], None]:
        """The answers to an edge, see `Lobby.listen`; call it with `handle.options(stream=True)`."""
        async with aclosing(self._lobby.listen(edge)) as answers:
            async for ready in answers:
                yield ready

    async def __del__(self) -> None:
        """Called by Serve when the replica's time is up."""
        if hasattr(self, "_sweeping"):
            self._sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeping
            if self._door is not None:
                await self._door.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._desk.sweep()


def bind_cloud(config: Config, name: str, model: SplitModel) -> Application | None:
    """The deployment of the cloud's part of the model `name`, which all edge sites share; None if another cluster has it."""
    site = cloud_site(config, model)
    if site is None:
        return None
    deployment = serve.deployment(SplitCloud).options(
        name=f"{name}.cloud",
        num_replicas=1,
        ray_actor_options={
            "num_cpus": model.cloud.cpus,
            "num_gpus": model.cloud.gpus,
            "label_selector": {"tier": site.tier, "site": site.name},
        },
        max_ongoing_requests=MOST_AT_ONCE,
        logging_config={"enable_access_log": False},  # a line for each message of each answer
        health_check_period_s=2.0,
        graceful_shutdown_timeout_s=5.0,
        graceful_shutdown_wait_loop_s=0.5,
    )
    return deployment.bind(name, model)


def _load(config: SplitModel) -> CloudPart:
    torch.set_num_threads(config.cloud.threads)
    checkpoint = Checkpoint(config.path)
    return CloudPart(checkpoint, partition_of(config, checkpoint), dtype_of(config), device_for(config.cloud.gpus))
