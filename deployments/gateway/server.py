"""The Serve deployment of the gateway: the one HTTP ingress of the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.config import BackpressureConfig
from ray.serve.handle import DeploymentHandle

from cluster.arithmetic import usual_seconds
from cluster.config import Config
from cluster.link import EmulatedLink
from cluster.log import DecisionLog
from cluster.orchestrator.handle import Exchange, connect
from cluster.servers import servers
from cluster.snapshot import read_profile
from deployments.gateway.api import Api
from deployments.gateway.client import ModelClient
from deployments.gateway.dispatch import Dispatch
from deployments.gateway.door import Door
from deployments.gateway.fleet import nobody
from deployments.gateway.keys import Keys
from deployments.gateway.learning import Learning
from deployments.gateway.metrics import Metrics
from deployments.gateway.profiled import Profiled
from deployments.gateway.routes import Routes
from deployments.gateway.runner import Runner
from deployments.gateway.seats import Seats
from deployments.gateway.stages import LightStages
from deployments.gateway.watch import Watch

NAME = "gateway"
_SPARE = 64
"""Places beyond the gateway's own seats and queue, so that health checks and refusals never wait."""


class Gateway:
    """One gateway process. Admission, queues and errors are its own (`Door`): Serve's would not speak the OpenAI API."""

    def __init__(self, config: Config, handles: Mapping[str, DeploymentHandle[Any]], keys: Keys) -> None:
        """`handles` has the deployment of every server by its name. Raises ConfigurationError, e.g. without an index."""
        self._metrics = Metrics()
        clients = _clients(config, handles, self._metrics)
        stages = LightStages(config)
        if stages.needed:
            stages.open()
        self._watch = Watch(clients, _look)
        self._log = DecisionLog(config.log.url) if config.log and config.log.url else None
        self._flushing: asyncio.Task[None] | None = None
        self._learning = Learning(_orchestrator(config, config.learning.url)) if config.learning.url else None
        usual_s = usual_seconds(read_profile(config) if config.profile else None)
        dispatch = Dispatch(config, clients, usual_s, self._learning.served if self._learning else nobody)
        runner = Runner(config, clients, stages, dispatch)
        api = Api(config, runner, stages, self._metrics, self._missing, self._log, keys, self._learning)
        if self._learning is not None:
            self._learning.serve(dispatch, api.chooser)
        self._profiled = Profiled(config, stages, api.chooser)
        seats = Seats("the gateway", config.gateway.max_ongoing, config.gateway.max_queued)
        self._door = Door(routes(api), keys, seats, self._metrics, config.gateway.timeout_s, self._start, self._stop)

    def __serve_build_asgi_app__(self) -> Door:
        """Asked for by Serve once the replica is constructed."""
        return self._door

    def _missing(self) -> list[str]:
        return self._watch.missing() + self._profiled.missing

    async def _start(self) -> None:
        self._watch.start()
        self._profiled.start()
        if self._learning is not None:
            self._learning.start()
        if self._log is not None:
            self._log.start()
        self._flushing = asyncio.create_task(self._flush())

    async def _stop(self) -> None:
        self._watch.stop()
        self._profiled.stop()
        if self._learning is not None:
            await self._learning.stop()
        if self._flushing is not None:
            self._flushing.cancel()
        self._metrics.flush()
        if self._log is not None:
            await asyncio.to_thread(self._log.close)

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._metrics.flush()


def bind_gateway(config: Config, models: Mapping[str, Application], keys: Keys) -> Application:
    """The gateway on the head's site, with `models` by deployment name."""
    limits = config.gateway
    deployment = serve.deployment(serve.ingress()(Gateway)).options(
        name=NAME,
        num_replicas=limits.replicas,
        max_ongoing_requests=limits.max_ongoing + limits.max_queued + _SPARE,
        max_queued_requests=limits.max_queued,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=1),
        ray_actor_options={
            "num_cpus": limits.cpus,
            "label_selector": {"tier": "edge", "site": config.cluster.head.name},
        },
    )
    return deployment.bind(config, dict(models), keys)


def _clients(config: Config, handles: Mapping[str, DeploymentHandle[Any]], metrics: Metrics) -> list[ModelClient]:
    link = EmulatedLink(config.cluster.link) if config.cluster.link else None
    clients = []
    for server in servers(config):
        handle, model = handles[server.deployment_name], config.models[server.model]
        if server.tier == config.cluster.head.tier:
            clients.append(ModelClient(server, model, handle))
        else:
            clients.append(ModelClient(server, model, handle, link, metrics.traffic))
    return clients


def _orchestrator(config: Config, url: str) -> Callable[[], Exchange]:
    """How to find it: at the edge, so that a cut link leaves it there."""
    application = serve.get_replica_context().app_name
    labels = {"tier": "edge", "site": config.cluster.head.name}
    return lambda: connect(application, url, labels)


def routes(api: Api) -> Routes:
    """The HTTP contract."""
    return Routes(
        {
            ("POST", "/v1/chat/completions"): api.chat,
            ("POST", "/v1/completions"): api.completions,
            ("POST", "/v1/embeddings"): api.embeddings,
            ("POST", "/v1/profile"): api.profiling.profile,
            ("GET", "/v1/models"): api.models,
            ("GET", "/v1/models/"): api.model,
            ("POST", "/v1/route"): api.deciding.route,
            ("POST", "/v1/feedback"): api.deciding.feedback,
            ("GET", "/v1/decisions/"): api.deciding.decision,
            ("GET", "/healthz"): api.healthz,
            ("GET", "/readyz"): api.readyz,
        }
    )


async def _look() -> dict[str, int]:
    """Running replicas of this application's deployments, as Serve's controller knows them."""
    name = serve.get_replica_context().app_name
    status = await asyncio.to_thread(serve.status)
    deployments = status.applications[name].deployments
    return {name: deployment.replica_states.get("RUNNING", 0) for name, deployment in deployments.items()}
