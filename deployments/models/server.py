"""`ModelServer`: the Serve deployment that runs one model at one site."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from ray import serve
from ray.serve import Application

from cluster.config import Config, ModelConfig, SplitModel
from cluster.servers import Server, servers
from deployments.messages import Completion, Delta, GenerateRequest
from deployments.models import delivery, open_engine
from deployments.models.base import Engine
from deployments.models.replicas import replicas_of
from deployments.models.tally import Tally

# A dead replica is noticed at the next check and replaced. An answer may take long on a busy machine: three checks in a
# row must fail before Serve gives a living replica up.
HEALTH_CHECK_PERIOD_S = 2.0
HEALTH_CHECK_TIMEOUT_S = 30.0
SHUTDOWN_TIMEOUT_S = 10.0


class ModelServer:
    """One replica: an engine, reachable through a deployment handle.

    The errors of `Engine.stream`, and DeadlineExceeded, arrive at the caller wrapped by Ray: `failures.unwrap` them.
    Cancelling the call, or closing the response generator, stops the engine.
    """

    async def __init__(self, server: Server, config: ModelConfig, *parts: Any) -> None:  # type: ignore[misc]  # Serve awaits it
        """Start the engine. Raises ConfigurationError, which Serve shows in its status."""
        engine = open_engine(server, config, *parts)
        await engine.start()
        self._engine: Engine = engine
        self._tally = Tally()

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Generate; call it with `handle.options(stream=True)`. The last delta has `finish_reason` and `report`."""
        with self._tally.visit() as visit:
            async with aclosing(delivery.stream(self._engine, request)) as deltas:
                async for delta in deltas:
                    if delta.report is not None:
                        visit.served(delta.report)
                    yield delta

    async def complete(self, request: GenerateRequest) -> Completion:
        """Generate the whole text: one message back instead of many, so cheaper than `stream`."""
        with self._tally.visit() as visit:
            completion = await delivery.complete(self._engine, request)
            visit.served(completion.report)
            return completion

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Called by Serve now and then, for the policy that decides on replicas."""
        return self._tally.totals()

    async def check_health(self) -> None:
        """Called by Serve; an exception marks the replica as unhealthy."""
        await self._engine.check()

    async def __del__(self) -> None:
        """Called by Serve when the replica has finished its requests or its time is up."""
        if hasattr(self, "_engine"):
            await self._engine.stop()


def bind_servers(config: Config) -> dict[str, Application]:
    """The deployments of all servers by name, those of a split model bound to its part in the cloud; and such parts alone."""
    clouds = {name: _cloud(config, name, model) for name, model in config.models.items() if isinstance(model, SplitModel)}
    bound = {}
    for server in servers(config):
        parts = (clouds[server.model], config.cluster.link) if server.model in clouds else ()
        bound[server.deployment_name] = bind_server(config, server, *parts)
    alone = {
        f"{name}.cloud": cloud for name, cloud in clouds.items() if cloud is not None and not config.models[name].options(name)
    }
    return bound | alone


def bind_server(config: Config, server: Server, *parts: Any) -> Application:
    """The deployment of `server`, to be run or to be bound to a gateway. `parts` is what its engine takes beside the model."""
    model = config.models[server.model]
    deployment = serve.deployment(ModelServer).options(
        name=server.deployment_name,
        **replicas_of(config, server.model),
        ray_actor_options={"num_cpus": model.cpus, "num_gpus": model.gpus, "label_selector": server.label_selector},
        max_ongoing_requests=model.max_ongoing,
        max_queued_requests=model.max_queued,
        health_check_period_s=HEALTH_CHECK_PERIOD_S,
        health_check_timeout_s=HEALTH_CHECK_TIMEOUT_S,
        graceful_shutdown_timeout_s=SHUTDOWN_TIMEOUT_S,
        graceful_shutdown_wait_loop_s=0.5,
    )
    return deployment.bind(server, model, *parts)


def _cloud(config: Config, name: str, model: SplitModel) -> Application | None:
    from deployments.models.split.server import bind_cloud  # torch, which no other model needs here

    return bind_cloud(config, name, model)
