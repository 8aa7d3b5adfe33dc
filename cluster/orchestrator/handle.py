"""Finding the orchestrator of an application, or starting it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any

from cluster.orchestrator.actor import Orchestrator, Reply
from policies.experience import Batch

NAMESPACE = "isthmus"
Exchange = Callable[[Batch, bool], Awaitable[Reply]]


def actor_name(application: str, url: str) -> str:
    """One orchestrator for each application and database: a changed configuration does not meet the old one's."""
    return actor_named(application, digest(url))


def actor_named(application: str, digest_: str) -> str:
    """The same for who may not know the address of the database, which may hold a password."""
    return f"orchestrator-{application}-{digest_}"


def digest(url: str) -> str:
    """Of a database's address."""
    return sha256(url.encode()).hexdigest()[:8]


def connect(application: str, url: str, labels: Mapping[str, str]) -> Exchange:
    """The orchestrator's `exchange`. It is started where there is none, on a node with `labels`, and again when it dies.

    It lives in no gateway's process and outlives them all; without any it ends itself. Blocks for a moment.
    """
    import ray

    options: dict[str, Any] = {
        "name": actor_name(application, url),
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "num_cpus": 0,
        "max_restarts": -1,
        "label_selector": dict(labels),
    }
    actor = ray.remote(_OrchestratorActor).options(**options).remote(url)

    async def exchange(batch: Batch, save: bool) -> Reply:
        reply: Reply = await actor.exchange.remote(batch, save)
        return reply

    return exchange


def end(application: str, url: str) -> None:
    """End the orchestrator of an application for good; harmless when there is none."""
    import ray

    try:
        actor = ray.get_actor(actor_name(application, url), NAMESPACE)
    except ValueError:
        return
    ray.kill(actor)


class _OrchestratorActor(Orchestrator):
    """The orchestrator as Ray runs it. Its first task waits until what was kept is loaded."""

    def __init__(self, url: str) -> None:
        super().__init__(url, _end_this_actor)
        self._ready: Any = None

    async def exchange(self, batch: Batch, save: bool = False) -> Reply:
        import asyncio

        if self._ready is None:
            self._ready = asyncio.ensure_future(self.start())
        await self._ready
        return await super().exchange(batch, save)


def _end_this_actor() -> None:
    import ray

    ray.kill(ray.get_runtime_context().current_actor)
