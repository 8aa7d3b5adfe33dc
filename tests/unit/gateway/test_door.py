"""The gateway as an ASGI application, without Ray below it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.config import Config, EchoModel, Gateway
from cluster.log import DecisionLog, read_log
from deployments.gateway.api import Api
from deployments.gateway.door import Door
from deployments.gateway.keys import Keys
from deployments.gateway.runner import Runner
from deployments.gateway.seats import Seats
from deployments.gateway.server import routes
from deployments.gateway.stages import LightStages
from tests.unit.gateway.fakes import FakeReplica, client_of, until

HELLO = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


class FakeMetrics:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, int]] = []

    def request(self, path: str, site: str, status: int) -> None:
        self.requests.append((path, site, status))

    def answer(self, *account: Any) -> None:
        pass


class Service:
    """A door and what is behind it."""

    def __init__(
        self,
        replica: FakeReplica,
        keys: Keys | None = None,
        seats: int = 8,
        missing: tuple[str, ...] = (),
        queue: int = 0,
        timeout_s: float = 30.0,
        log: DecisionLog | None = None,
    ) -> None:
        config = Config(models={"small": EchoModel(engine="echo")}, gateway=Gateway(max_body_bytes=2000))
        self.metrics = FakeMetrics()
        self.replica = replica
        stages = LightStages(config)
        runner = Runner(config, [client_of(replica)], stages)
        api = Api(config, runner, stages, self.metrics, lambda: list(missing), log)  # type: ignore[arg-type]
        self.seats = Seats("the gateway", seats, queue)
        self.door = Door(routes(api), keys or Keys(()), self.seats, self.metrics, timeout_s, _nothing, _nothing)  # type: ignore[arg-type]

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.door), base_url="http://test") as client:
            yield client

    async def post(self, path: str = "/v1/chat/completions", **request: Any) -> httpx.Response:
        async with self.client() as client:
            return await client.post(path, **request)

    async def get(self, path: str) -> httpx.Response:
        async with self.client() as client:
            return await client.get(path)


async def _nothing() -> None:
    pass


async def test_an_answer_has_its_account_and_its_headers() -> None:
    service = Service(FakeReplica("a fine answer"))
    response = await service.post(json=HELLO)
    answer = response.json()
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "a fine answer", "refusal": None}
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert response.headers["x-isthmus-path"] == answer["isthmus"]["path"] == answer["model"] == "none/none/none/small"
    assert response.headers["x-isthmus-decision-id"] == answer["isthmus"]["decision_id"]
    assert response.headers["x-isthmus-site"] == "home"
    found = await service.get(f"/v1/decisions/{answer['isthmus']['decision_id']}")
    assert found.json() == {**answer["isthmus"], "candidates": []}
    assert service.metrics.requests[0] == ("none/none/none/small", "home", 200)


def events(body: str) -> list[dict[str, Any]]:
    *told, done = [line.removeprefix("data: ") for line in body.split("\n\n") if line]
    assert done == "[DONE]"
    return [json.loads(event) for event in told]


@pytest.mark.parametrize("include_usage", [True, False])
async def test_a_stream_ends_with_the_account(include_usage: bool) -> None:
    body = HELLO | {"stream": True, "stream_options": {"include_usage": include_usage}}
    response = await Service(FakeReplica("a fine answer")).post(json=body)
    chunks = events(response.text)
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]) == "a fine answer"
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [chunk.get("usage", "nothing") for chunk in chunks[:-1]] == [None if include_usage else "nothing"] * (len(chunks) - 1)
    assert ("usage" in chunks[-1]) is include_usage
    assert [bool(c["choices"]) for c in chunks].count(False) == int(include_usage)
    assert chunks[-1]["isthmus"]["measured"]["ttft_s"] > 0
    assert chunks[-1]["isthmus"]["decision_id"] == response.headers["x-isthmus-decision-id"]


async def test_a_stream_that_breaks_ends_with_an_error_event() -> None:
    service = Service(FakeReplica("one two three", fault=ValueError("tired"), fault_at=2))
    response = await service.post(json=HELLO | {"stream": True})
    *chunks, error = [json.loads(line.removeprefix("data: ")) for line in response.text.split("\n\n") if line]
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks) == "one two"
    assert error["error"]["code"] == "engine_failed"
    assert service.metrics.requests == [("none/none/none/small", "home", 502)]
    kept = await service.get(f"/v1/decisions/{response.headers['x-isthmus-decision-id']}")
    assert kept.json()["error"] == error["error"]


async def test_a_caller_who_leaves_before_the_first_byte_stops_the_engine() -> None:
    service = Service(FakeReplica("one two three"))
    body = json.dumps(HELLO | {"stream": True}).encode()

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def gone(message: Any) -> None:
        raise asyncio.CancelledError

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
    with pytest.raises(asyncio.CancelledError):
        await service.door(scope, receive, gone)
    assert service.replica.cancelled == 1
    assert service.metrics.requests[-1][2] == 499


async def test_a_plain_completion_has_text() -> None:
    service = Service(FakeReplica("a fine answer"))
    response = await service.post("/v1/completions", json={"model": "small", "prompt": "once"})
    assert response.json()["choices"][0]["text"] == "a fine answer"
    assert service.replica.requests[0].prompt == "once"


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"content": b"{"}, 400, "invalid_request"),
        ({"content": b"x" * 3000}, 413, "request_too_large"),
        ({"json": HELLO | {"model": "smal"}}, 404, "model_not_found"),
        ({"json": HELLO | {"n": 2}}, 400, "invalid_request"),
        ({"json": HELLO, "headers": {"x-slo-max-latency-s": "0"}}, 400, "invalid_request"),
        ({"json": HELLO | {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x"}]}}, 200, None),
    ],
)
async def test_bad_requests_get_a_sentence(request_: dict[str, Any], status: int, code: str | None) -> None:
    response = await Service(FakeReplica()).post(**request_)
    assert response.status_code == status
    assert response.json().get("error", {}).get("code") == code


async def test_a_mistake_of_ours_shows_no_trace() -> None:
    service = Service(FakeReplica())
    service.replica.complete = None  # type: ignore[assignment, method-assign]
    service.door._routes.find = lambda method, path: 1 / 0  # type: ignore[assignment, method-assign, return-value]
    response = await service.post(json=HELLO)
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "division" not in response.text


async def test_a_key_is_asked_for_under_v1_only() -> None:
    service = Service(FakeReplica(), Keys(("secret",)))
    refused = await service.post(json=HELLO)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert (await service.get("/v1/models")).status_code == 401
    assert (await service.get("/healthz")).status_code == 200
    assert (await service.post(json=HELLO, headers={"authorization": "Bearer secret"})).status_code == 200


async def test_a_full_gateway_says_when_to_come_again_and_still_says_that_it_lives() -> None:
    service = Service(FakeReplica(hang=True), seats=1)
    first = asyncio.create_task(service.post(json=HELLO))
    await until(lambda: service.seats.taken)
    response = await service.post(json=HELLO)
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    assert (await service.get("/healthz")).status_code == 200
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert service.seats.taken == 0
    assert service.metrics.requests[-1][2] == 499


async def test_readiness_names_what_is_missing() -> None:
    assert (await Service(FakeReplica()).get("/readyz")).json() == {"status": "ready", "missing": []}
    response = await Service(FakeReplica(), missing=("small",)).get("/readyz")
    assert (response.status_code, response.json()["missing"]) == (503, ["small"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models/small", 405),
        ("GET", "/v1/decisions/", 404),
    ],
)
async def test_urls_that_are_not_there(method: str, path: str, status: int) -> None:
    async with Service(FakeReplica()).client() as client:
        response = await client.request(method, path)
    assert response.status_code == status
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.headers.get("allow") == {"/v1/chat/completions": "POST", "/v1/models/small": "GET"}.get(path)


async def test_a_path_s_name_may_be_looked_up() -> None:
    service = Service(FakeReplica())
    assert (await service.get("/v1/models/none/none/none/small")).json()["id"] == "none/none/none/small"
    assert (await service.get("/v1/models/medium")).status_code == 404


async def test_the_lifespan_starts_and_stops_what_runs_beside() -> None:
    told: list[str] = []

    async def start() -> None:
        told.append("start")

    async def stop() -> None:
        told.append("stop")

    door = Service(FakeReplica()).door
    door._start, door._stop = start, stop
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        told.append(message["type"])

    await door({"type": "lifespan"}, receive, send)
    assert told == ["start", "lifespan.startup.complete", "stop", "lifespan.shutdown.complete"]


async def test_nobody_waits_for_a_seat_beyond_the_time_limit() -> None:
    service = Service(FakeReplica("late"), seats=1, queue=8, timeout_s=0.05)
    await service.seats.enter()
    response = await service.post(json=HELLO)
    assert response.status_code == 504
    assert "waiting for the gateway" in response.json()["error"]["message"]
    assert (service.seats.taken, service.seats.waiting) == (1, 0)


async def test_a_decision_can_be_had_without_running_it() -> None:
    service = Service(FakeReplica())
    told = (await service.post("/v1/route", json=HELLO)).json()
    assert service.replica.requests == []
    assert told["path"] == "none/none/none/small"
    assert told["site"] == "home"
    assert told["reason"] == "default path; the configuration names no profile"
    assert (told["feasible"], told["predicted"], told["candidates"], told["fallbacks"]) == (True, None, [], [])
    assert (await service.get(f"/v1/decisions/{told['decision_id']}")).json() == told


@pytest.mark.parametrize("body", [{}, {**HELLO, "model": "nobody"}, {**HELLO, "slo": {"max_latency_s": -1}}, {"model": "auto"}])
async def test_a_bad_body_is_refused_by_route_as_by_chat(body: dict[str, Any]) -> None:
    service = Service(FakeReplica())
    refused, as_chat = await service.post("/v1/route", json=body), await service.post(json=body)
    assert 400 <= refused.status_code < 500
    assert refused.json() == as_chat.json()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DecisionLog]:
    log = DecisionLog(f"sqlite:///{tmp_path}/log.db")
    log.start()
    yield log
    log.close()


async def test_answers_and_feedback_are_written(log: DecisionLog, tmp_path: Path) -> None:
    service = Service(FakeReplica(), log=log)
    plain = (await service.post(json=HELLO)).headers["x-isthmus-decision-id"]
    await service.post(json={**HELLO, "stream": True})
    failed = Service(FakeReplica(fault=ValueError("tired")), log=log)
    assert (await failed.post(json=HELLO)).status_code == 502
    for score in (0.25, 1, 0.75):
        assert (await service.post("/v1/feedback", json={"decision_id": plain, "score": score})).json()["score"] == score
    log.close()
    written = list(read_log(f"sqlite:///{tmp_path}/log.db"))
    assert [(row.query, row.path, row.cost_usd, row.energy_j) for row in written] == [
        ("hello", "none/none/none/small", 0.5, 2.0)
    ] * 2
    assert [row.score for row in written if row.decision_id == plain] == [0.75]  # the latest word
    assert [row.score for row in written if row.decision_id != plain] == [None]


async def test_feedback_reaches_a_gateway_that_did_not_answer(log: DecisionLog, tmp_path: Path) -> None:
    theirs = DecisionLog(f"sqlite:///{tmp_path}/log.db")
    theirs.start()
    first, second = Service(FakeReplica(), log=theirs), Service(FakeReplica(), log=log)
    decision_id = (await first.post(json=HELLO)).headers["x-isthmus-decision-id"]
    theirs.close()
    assert (await second.post("/v1/feedback", json={"decision_id": decision_id, "score": 1})).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"decision_id": "nothing", "score": 1}, 404, "x-isthmus-decision-id"),
        ({"decision_id": "nothing", "score": 1.5}, 400, "'score'"),
        ({"decision_id": "nothing", "score": -0.1}, 400, "'score'"),
        ({"decision_id": "nothing", "score": "good"}, 400, "'score'"),
        ({"decision_id": "nothing", "score": True}, 400, "'score'"),
        ({"decision_id": "nothing"}, 400, "'score' is missing"),
        ({"score": 1}, 400, "'decision_id' is missing"),
        ({"decision_id": "", "score": 1}, 400, "'decision_id'"),
        ({"decision_id": "nothing", "score": 1, "why": "nice"}, 400, "'why' is unknown"),
    ],
)
async def test_bad_feedback_is_refused(log: DecisionLog, body: dict[str, Any], status: int, words: str) -> None:
    refused = await Service(FakeReplica(), log=log).post("/v1/feedback", json=body)
    assert refused.status_code == status
    assert words in refused.json()["error"]["message"]


async def test_feedback_on_what_was_not_run_is_refused(log: DecisionLog) -> None:
    service = Service(FakeReplica(), log=log)
    decision_id = (await service.post("/v1/route", json=HELLO)).json()["decision_id"]
    assert (await service.post("/v1/feedback", json={"decision_id": decision_id, "score": 1})).status_code == 404


async def test_feedback_without_a_log_is_refused() -> None:
    refused = await Service(FakeReplica()).post("/v1/feedback", json={"decision_id": "x", "score": 1})
    assert refused.status_code == 400
    assert "log: null" in refused.json()["error"]["message"]
