"""Many paths of one query: what is shared runs once, and what each path took is told as if it had run alone."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence

import pytest

from cluster.config import Config, EchoModel, Stages
from deployments.gateway.measure import Failed, Measured, Measurer
from deployments.gateway.runner import Runner
from deployments.messages import StageReport
from deployments.pipeline import Prompt
from deployments.preprocess import Ask
from deployments.prompts import Message
from deployments.shared import Shared
from policies.errors import ContextTooLong, EngineFailed
from policies.signals import Signals
from policies.types import Path
from tests.unit.gateway.fakes import FakeReplica, client_of
from tests.unit.gateway.test_door import Service

CONFIG = Config(
    models={"small": EchoModel(engine="echo"), "large": EchoModel(engine="echo", tier="cloud")},
    stages=Stages(preprocess=("none", "rewrite")),
)
DIALOGUE: list[Message] = [{"role": "user", "content": "which lamp?"}]
PATHS = [Path(pre, "none", "none", model) for pre in ("none", "rewrite") for model in ("small", "large")]


class FakePipeline:
    """A rewriting that changes nothing, by the model that it is given; the encoder remembers what it saw."""

    def __init__(self) -> None:
        self.encoder, self.encoded = self, list[str]()

    async def get(self) -> FakePipeline:
        return self

    def encode_one(self, text: str) -> None:
        self.encoded.append(text)

    async def prepare(self, path: Path, dialogue: Sequence[Message], ask: Ask, shared: Shared) -> Prompt:
        async def preprocess() -> tuple[None, tuple[StageReport, ...]]:
            if path.preprocess == "none":
                return None, ()
            return None, ((await ask(dialogue)).report,)

        ran = await shared.once(path.preprocess, preprocess)
        return Prompt(tuple(dialogue), tuple(dialogue), (), ran.reports, ran.seconds)


async def measured(small: FakeReplica, large: FakeReplica) -> list[Measured | Failed]:
    clients = [client_of(small, "small"), client_of(large, "large", "cloud", "cloud")]
    pipeline = FakePipeline()
    measurer = Measurer(CONFIG, Runner(CONFIG, clients, pipeline), pipeline)  # type: ignore[arg-type]
    found = [outcome async for outcome in measurer.measure(DIALOGUE, PATHS)]
    assert pipeline.encoded == ["which lamp?"]
    return found


async def test_shared_stages_run_once_and_count_for_each_path() -> None:
    small, large = FakeReplica("at home"), FakeReplica("in the cloud")
    found = await measured(small, large)
    assert [outcome.path for outcome in found] == PATHS
    assert (len(small.requests), len(large.requests)) == (
        2,
        1,
    )  # an answer and the rewriting; the same question is not asked twice
    assert all(request.fresh for request in (*small.requests, *large.requests))
    costs = [outcome.cost_usd for outcome in found if isinstance(outcome, Measured)]
    assert costs == [0.5, 0.5, 1.0, 1.0]
    spent = [outcome.spent.cost_usd for outcome in found if isinstance(outcome, Measured)]
    assert spent == [0.5, 0.5, 0.5, 0.0]
    latencies = [outcome.latency_s for outcome in found if isinstance(outcome, Measured)]
    assert latencies[2] > latencies[0]


async def test_answers_are_measured_with_how_sure_the_model_was_and_rewritings_without() -> None:
    small = FakeReplica("at home")
    found = await measured(small, FakeReplica("in the cloud"))
    assert [request.logprobs for request in small.requests] == [True, False]
    shown = Signals(mean_logprob=-0.1, least_logprob=-0.5, tokens=2)
    assert [outcome.signals for outcome in found if isinstance(outcome, Measured)] == [shown] * 4


async def test_a_path_that_fails_does_not_end_the_others() -> None:
    fault = ContextTooLong("large", 9, 9, 9)
    found = await measured(FakeReplica("at home"), FakeReplica(fault=fault))
    assert [isinstance(outcome, Measured) for outcome in found] == [True, False, True, False]
    assert isinstance(found[1], Failed)
    assert found[1].error == fault


async def test_queues_are_not_latency_and_a_failed_stage_is_tried_again() -> None:
    now = iter([0.0, 5.0, 10.0, 11.0])
    shared = Shared(clock=lambda: next(now))
    waited = StageReport("generate", "small", "home", 4.0, cost_usd=0.1, wait_s=3.0)

    def answer(failure: Exception | None) -> Callable[[], Awaitable[tuple[str, tuple[StageReport, ...]]]]:
        async def run() -> tuple[str, tuple[StageReport, ...]]:
            if failure:
                raise failure
            return "yes", (waited,)

        return run

    assert (await shared.once("a", answer(None))).seconds == 2.0
    with pytest.raises(EngineFailed):
        await shared.once("b", answer(EngineFailed("small", "tired")))
    assert (await shared.once("a", answer(EngineFailed("small", "never asked")))).value == "yes"
    assert (shared.spent.seconds, shared.spent.cost_usd) == (2.0, 0.1)


async def test_the_endpoint_streams_each_path() -> None:
    service = Service(FakeReplica("hello yourself"))
    response = await service.post("/v1/profile", json={"messages": DIALOGUE, "paths": ["small"]})
    event, done = [line.removeprefix("data: ") for line in response.text.split("\n\n")[:2]]
    assert done == "[DONE]"
    assert json.loads(event)["answer"] == "hello yourself"
    assert json.loads(event)["path"] == "none/none/none/small"
    assert json.loads(event)["spent"]["cost_usd"] == json.loads(event)["cost_usd"] == 0.5


async def test_a_path_that_fails_is_an_event_with_its_status() -> None:
    service = Service(FakeReplica(fault=ContextTooLong("small", 9, 9, 9)))
    response = await service.post("/v1/profile", json={"messages": DIALOGUE, "paths": ["small"]})
    event = json.loads(response.text.split("\n\n")[0].removeprefix("data: "))
    assert (event["status"], event["error"]["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"messages": DIALOGUE, "paths": ["nothing"]}, 404, "No path or model"),
        ({"messages": DIALOGUE, "paths": []}, 400, "paths"),
        ({"messages": [{"role": "assistant", "content": "x"}], "paths": ["small"]}, 400, "the user's question"),
        ({"messages": DIALOGUE, "paths": ["small"], "model": "auto"}, 400, "unknown"),
    ],
)
async def test_wrong_requests(body: dict[str, object], status: int, sentence: str) -> None:
    response = await Service(FakeReplica()).post("/v1/profile", json=body)
    assert response.status_code == status
    assert sentence in response.json()["error"]["message"]
