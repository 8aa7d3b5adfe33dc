"""What the gateway is compared with: the shortest OpenAI-like service that can be written with Ray Serve and FastAPI."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle
from starlette.responses import StreamingResponse

from cluster.config import Config
from cluster.servers import servers
from deployments.messages import GenerateRequest, Sampling
from deployments.models.server import bind_server

api = FastAPI()


class Body(BaseModel):
    """As little of a chat request as a client can send."""

    model: str
    messages: list[dict[str, Any]]
    stream: bool = False


@serve.deployment(max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.1})
@serve.ingress(api)
class Bare:
    """One handle hop, no checks, no limits, no account."""

    def __init__(self, handles: dict[str, DeploymentHandle[Any]]) -> None:
        self._complete = {name: handle.complete for name, handle in handles.items()}
        self._stream = {name: handle.options(stream=True).stream for name, handle in handles.items()}

    @api.post("/v1/chat/completions")
    async def chat(self, body: Body) -> Any:
        """One question."""
        request = GenerateRequest(uuid.uuid4().hex, Sampling(256), tuple(body.messages))  # type: ignore[arg-type]
        if body.stream:
            return StreamingResponse(self._events(body.model, request), media_type="text/event-stream")
        completion = await self._complete[body.model].remote(request)
        message = {"role": "assistant", "content": completion.text}
        return {
            "id": request.request_id,
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": completion.finish_reason}],
            "usage": {"prompt_tokens": completion.report.prompt_tokens, "completion_tokens": completion.report.completion_tokens},
        }

    async def _events(self, model: str, request: GenerateRequest) -> AsyncIterator[str]:
        async for delta in self._stream[model].remote(request):
            choice = {"index": 0, "delta": {"content": delta.text}, "finish_reason": delta.finish_reason}
            chunk = {"id": request.request_id, "object": "chat.completion.chunk", "choices": [choice]}
            yield f"data: {json.dumps(chunk)}\n\n"
        yield "data: [DONE]\n\n"


def build(config: Config) -> Application:
    """The bare service with an engine of its own for each model of `config`."""
    handles = {server.model: bind_server(config, server) for server in servers(config)}
    return Bare.bind(handles)  # type: ignore[attr-defined]  # the decorator made it a deployment
