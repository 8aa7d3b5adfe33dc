"""The remote engine against a real server of this machine that misbehaves on demand."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from cluster.config import RemoteModel
from deployments.messages import GenerateRequest, Sampling
from deployments.models.remote import RemoteEngine
from policies.errors import ConfigurationError, EngineFailed, EngineUnavailable, InvalidRequest, RateLimited

KEY = "ISTHMUS_TEST_KEY"
REQUEST = GenerateRequest("r1", Sampling(8, stop=("END",), seed=3), messages=({"role": "user", "content": "hello there"},))


def chunk(text: str | None = None, finish_reason: str | None = None, **more: Any) -> str:
    choices = [{"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}] if "usage" not in more else []
    return "data: " + json.dumps({"id": "1", "object": "chat.completion.chunk", "choices": choices, **more}) + "\n\n"


USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
GOOD = [chunk("Good "), chunk("day"), chunk(finish_reason="stop"), chunk(usage=USAGE), "data: [DONE]\n\n"]


@dataclass
class Service:
    """Answers with its replies, one after another and the last for ever; remembers what it was asked."""

    url: str = ""
    replies: list[Response | list[str] | str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)

    async def answer(self, request: Request) -> Response:
        self.requests.append(await request.json())
        self.headers.append(dict(request.headers))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply if isinstance(reply, Response) else StreamingResponse(self.chunks(reply), media_type="text/event-stream")

    async def chunks(self, reply: list[str] | str) -> AsyncGenerator[str, None]:
        try:
            for piece in reply:
                if piece == "wait":
                    await asyncio.sleep(3600)
                elif piece == "break":
                    raise ConnectionError("broken on purpose")
                else:
                    yield piece
        finally:
            self.left.set()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    routes = [Route(f"/v1/{path}", service.answer, methods=["POST"]) for path in ("chat/completions", "completions")]
    config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="critical", timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        pass
    service.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    yield service
    server.should_exit = True
    thread.join()


@pytest.fixture
async def engines() -> AsyncIterator[list[RemoteEngine]]:
    """Whatever engine a test starts is stopped."""
    started: list[RemoteEngine] = []
    yield started
    for engine in started:
        await engine.stop()


async def start(engines: list[RemoteEngine], url: str, **changes: object) -> RemoteEngine:
    fields = {"engine": "remote", "tier": "cloud", "base_url": url, "model": "their-model", "retries": 1, **changes}
    engine = RemoteEngine("far", "home", RemoteModel.model_validate(fields))
    await engine.start()
    engines.append(engine)
    return engine


async def test_an_answer_comes_with_the_services_own_count(service: Service, engines: list[RemoteEngine]):
    service.replies = [GOOD]
    engine = await start(engines, service.url, price={"prompt_usd_per_mtok": 1, "completion_usd_per_mtok": 2})
    deltas = [delta async for delta in engine.stream(REQUEST)]
    assert [delta.text for delta in deltas] == ["Good ", "day", ""]
    assert deltas[-1].finish_reason == "stop"
    report = deltas[-1].report
    assert report is not None
    assert (report.prompt_tokens, report.completion_tokens, report.energy_source) == (11, 7, "modelled")
    assert report.cost_usd == pytest.approx((11 + 14) / 1e6)


async def test_what_is_sent_is_what_was_asked(service: Service, engines: list[RemoteEngine]):
    service.replies = [GOOD]
    await (await start(engines, service.url)).complete(REQUEST)
    assert service.requests == [
        {
            "model": "their-model",
            "messages": [{"role": "user", "content": "hello there"}],
            "max_tokens": 8,
            "temperature": 0.0,
            "seed": 3,
            "stop": ["END"],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


async def test_a_raw_prompt_goes_to_the_other_endpoint(service: Service, engines: list[RemoteEngine]):
    choice = {"index": 0, "text": "once", "finish_reason": "length"}
    service.replies = [
        ["data: " + json.dumps({"id": "1", "object": "text_completion", "choices": [choice]}) + "\n\n", "data: [DONE]\n\n"]
    ]
    whole = await (await start(engines, service.url)).complete(GenerateRequest("r1", Sampling(8), prompt="12345678"))
    assert (whole.text, whole.finish_reason) == ("once", "length")
    assert service.requests[0]["prompt"] == "12345678"
    assert (whole.report.prompt_tokens, whole.report.completion_tokens) == (2, 1)  # estimated: no usage was sent


async def test_the_key_comes_from_the_environment(service: Service, engines: list[RemoteEngine], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(KEY, "secret")
    service.replies = [GOOD]
    await (await start(engines, service.url, api_key_env=KEY)).complete(REQUEST)
    assert service.headers[0]["authorization"] == "Bearer secret"


async def test_without_a_key_none_is_sent(service: Service, engines: list[RemoteEngine], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "of somebody else")
    service.replies = [GOOD]
    await (await start(engines, service.url)).complete(REQUEST)
    assert "authorization" not in service.headers[0]


async def test_a_key_that_is_not_set_is_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(ConfigurationError, match=f"models.far.api_key_env names {KEY}"):
        await start([], "http://127.0.0.1:9/v1", api_key_env=KEY)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_it_tries_again_before_the_first_byte(service: Service, engines: list[RemoteEngine], status: int):
    service.replies = [JSONResponse({}, status, {"retry-after": "0.01"}), GOOD]
    assert (await (await start(engines, service.url)).complete(REQUEST)).text == "Good day"
    assert len(service.requests) == 2


async def test_too_many_requests_to_the_end_say_when_to_come_back(service: Service, engines: list[RemoteEngine]):
    service.replies = [JSONResponse({}, 429, {"retry-after": "0.25"})]
    with pytest.raises(RateLimited, match=r"behind far takes no more requests for now; try again in 0.25 s") as caught:
        await (await start(engines, service.url)).complete(REQUEST)
    assert caught.value.retry_after_s == 0.25
    assert len(service.requests) == 2


@pytest.mark.parametrize("header", [{}, {"retry-after": "Fri, 20 Nov 2026 10:00:00 GMT"}])
async def test_a_429_without_seconds_gets_a_default(service: Service, engines: list[RemoteEngine], header: dict[str, str]):
    service.replies = [JSONResponse({}, 429, header)]
    with pytest.raises(RateLimited) as caught:
        await (await start(engines, service.url, retries=0)).complete(REQUEST)
    assert caught.value.retry_after_s == 5.0


async def test_a_service_that_stays_broken_is_unavailable(service: Service, engines: list[RemoteEngine]):
    service.replies = [JSONResponse({"error": {"message": "no"}}, 503, {"retry-after": "0.01"})]
    with pytest.raises(EngineUnavailable, match=r"failed 2 times: .*503"):
        await (await start(engines, service.url)).complete(REQUEST)


async def test_nobody_there_is_unavailable(engines: list[RemoteEngine]):
    with pytest.raises(EngineUnavailable, match=r"127\.0\.0\.1:9/v1 failed 1 time"):
        await (await start(engines, "http://127.0.0.1:9/v1", retries=0)).complete(REQUEST)


async def test_silence_is_unavailable(service: Service, engines: list[RemoteEngine]):
    service.replies = [["wait"]]
    with pytest.raises(EngineUnavailable, match="failed 1 time"):
        await (await start(engines, service.url, timeout_s=0.05, retries=0)).complete(REQUEST)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_names_the_variable(
    service: Service, engines: list[RemoteEngine], monkeypatch: pytest.MonkeyPatch, status: int
):
    monkeypatch.setenv(KEY, "secret")
    service.replies = [JSONResponse({"error": {"message": "bad key secret"}}, status)]
    with pytest.raises(EngineFailed, match=f"answered {status}; check the key in the environment variable {KEY}") as caught:
        await (await start(engines, service.url, api_key_env=KEY)).complete(REQUEST)
    assert "secret" not in str(caught.value)
    assert len(service.requests) == 1


async def test_a_missing_key_names_the_field(service: Service, engines: list[RemoteEngine]):
    service.replies = [JSONResponse({}, 401)]
    with pytest.raises(EngineFailed, match=r"name the environment variable with the key as models\.far\.api_key_env"):
        await (await start(engines, service.url)).complete(REQUEST)


@pytest.mark.parametrize("status", [400, 422])
async def test_a_refused_request_is_the_callers_matter(service: Service, engines: list[RemoteEngine], status: int):
    error = {"message": "maximum context length is 4096 tokens", "code": "context_length_exceeded"}
    service.replies = [JSONResponse({"error": error}, status)]
    with pytest.raises(InvalidRequest, match=r"far does not accept the request: .*4096 tokens"):
        await (await start(engines, service.url)).complete(REQUEST)


def unsupported(param: str, code: str) -> JSONResponse:
    return JSONResponse({"error": {"message": f"{param} is not supported with this model", "param": param, "code": code}}, 400)


async def test_what_a_model_refuses_once_is_written_otherwise_from_then_on(service: Service, engines: list[RemoteEngine]):
    service.replies = [unsupported("max_tokens", "unsupported_parameter"), unsupported("temperature", "unsupported_value"), GOOD]
    engine = await start(engines, service.url)
    for _ in range(2):
        assert (await engine.complete(REQUEST)).text == "Good day"
    assert [(r.get("max_tokens"), r.get("max_completion_tokens"), r.get("temperature")) for r in service.requests] == [
        (8, None, 0.0),
        (None, 8, 0.0),
        (None, 8, None),
        (None, 8, None),
    ]


async def test_a_temperature_that_was_asked_for_is_not_dropped(service: Service, engines: list[RemoteEngine]):
    service.replies = [unsupported("temperature", "unsupported_value")]
    with pytest.raises(InvalidRequest, match="temperature is not supported"):
        await (await start(engines, service.url)).complete(replace(REQUEST, sampling=Sampling(8, temperature=0.7)))
    assert len(service.requests) == 2


async def test_another_refusal_is_a_failure(service: Service, engines: list[RemoteEngine]):
    service.replies = [JSONResponse({"error": {"message": "no such model"}}, 404)]
    with pytest.raises(EngineFailed, match=r"answered 404: .*no such model"):
        await (await start(engines, service.url)).complete(REQUEST)


async def test_a_stream_that_breaks_is_not_tried_again(service: Service, engines: list[RemoteEngine]):
    service.replies = [[chunk("Good "), "break"]]
    deltas = (await start(engines, service.url)).stream(REQUEST)
    assert (await anext(deltas)).text == "Good "
    with pytest.raises(EngineFailed, match="broke off after 5 bytes"):
        await anext(deltas)
    assert len(service.requests) == 1


async def test_an_answer_without_an_end_is_a_failure(service: Service, engines: list[RemoteEngine]):
    service.replies = [[chunk("Good ")]]
    with pytest.raises(EngineFailed, match="ended its answer early"):
        await (await start(engines, service.url)).complete(REQUEST)


@pytest.mark.parametrize(
    "reply", [PlainTextResponse("<html>Welcome</html>"), ["data: {nonsense\n\n"], ['data: {"choices": 7}\n\n'], ["data: []\n\n"]]
)
async def test_garbage_is_a_failure_with_a_sentence(service: Service, engines: list[RemoteEngine], reply: Response | list[str]):
    service.replies = [reply]
    with pytest.raises(EngineFailed, match="in the OpenAI format"):
        await (await start(engines, service.url)).complete(REQUEST)


async def test_an_error_inside_the_stream_is_told(service: Service, engines: list[RemoteEngine]):
    service.replies = [[chunk("Good "), 'data: {"error": {"message": "out of memory"}}\n\n']]
    with pytest.raises(EngineFailed, match=r"broke off after 5 bytes .*out of memory"):
        await (await start(engines, service.url)).complete(REQUEST)


async def test_closing_the_stream_hangs_up(service: Service, engines: list[RemoteEngine]):
    service.replies = [[chunk("Good "), "wait"]]
    async with aclosing((await start(engines, service.url)).stream(REQUEST)) as deltas:
        await anext(deltas)
    assert await asyncio.to_thread(service.left.wait, 60)
