"""The echo engine behind plain HTTP, for a proxy that needs a service to forward to. Run it with uvicorn."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from benchmarks.engines import MODELS, SITE
from deployments.messages import GenerateRequest, Sampling
from deployments.models import delivery
from deployments.models.echo import EchoEngine

ENGINES = {name: EchoEngine(name, SITE, config) for name, config in MODELS.items()}


async def chat(request: Request) -> Response:
    """One question."""
    body = await request.json()
    engine = ENGINES[body["model"]]
    job = GenerateRequest("fake", Sampling(256), tuple(body["messages"]))
    if body.get("stream"):
        return StreamingResponse(_events(engine, job), media_type="text/event-stream")
    completion = await delivery.complete(engine, job)
    report = completion.report
    usage = {
        "prompt_tokens": report.prompt_tokens,
        "completion_tokens": report.completion_tokens,
        "total_tokens": report.prompt_tokens + report.completion_tokens,
    }
    message = {"role": "assistant", "content": completion.text}
    choice = {"index": 0, "message": message, "finish_reason": completion.finish_reason}
    return JSONResponse(_body("chat.completion", engine, [choice]) | {"usage": usage})


async def _events(engine: EchoEngine, job: GenerateRequest) -> AsyncIterator[str]:
    async for delta in delivery.stream(engine, job):
        choice = {"index": 0, "delta": {"role": "assistant", "content": delta.text}, "finish_reason": delta.finish_reason}
        yield f"data: {json.dumps(_body('chat.completion.chunk', engine, [choice]))}\n\n"
    yield "data: [DONE]\n\n"


def _body(kind: str, engine: EchoEngine, choices: list[dict[str, object]]) -> dict[str, object]:
    return {"id": "fake", "object": kind, "created": 0, "model": "fake", "choices": choices}


app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
