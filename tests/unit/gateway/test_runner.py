"""Which server answers, and that no answer is taken from two."""

import asyncio
from collections.abc import Sequence

import pytest
from ray.exceptions import ActorUnavailableError

from cluster.config import Config, EchoModel
from deployments.gateway.catalogue import Catalogue
from deployments.gateway.client import ModelClient
from deployments.gateway.deadline import Deadline
from deployments.gateway.job import Job
from deployments.gateway.placement import Need
from deployments.gateway.runner import Runner
from deployments.gateway.stages import LightStages
from deployments.messages import Passage, Sampling, StageReport
from deployments.pipeline import Prompt
from deployments.preprocess import Ask
from deployments.prompts import Message
from deployments.shared import Shared
from policies.errors import ContextTooLong, DeadlineExceeded, EngineFailed, EngineUnavailable, Overloaded
from policies.experience import ANSWER
from policies.types import Decision, Path, Slo
from tests.unit.gateway.fakes import FakeReplica, client_of

LARGE, SMALL = Path("none", "none", "none", "large"), Path("none", "none", "none", "small")
AUTO = Decision(LARGE, "default path", (SMALL,))
CONFIG = Config(models={"small": EchoModel(engine="echo"), "large": EchoModel(engine="echo", tier="cloud", max_tokens=99)})
GONE = ActorUnavailableError("gone", b"x" * 16)


def job(decision: Decision = AUTO, slo: Slo | None = None, limit_s: float = 30.0) -> Job:
    slo = slo or Slo()
    deadline = Deadline.of(slo, asyncio.get_running_loop().time(), limit_s)
    return Job("d1", decision, slo, deadline, Sampling(0), ({"role": "user", "content": "hello"},))


def runner(clients: Sequence[ModelClient]) -> Runner:
    return Runner(CONFIG, clients, LightStages(CONFIG))


def pair(large: FakeReplica, small: FakeReplica) -> Runner:
    return runner([client_of(small, "small"), client_of(large, "large", "cloud", "cloud", CONFIG.models["large"])])


async def test_the_decided_path_answers() -> None:
    large, small = FakeReplica("from the cloud"), FakeReplica("from home")
    answer = await pair(large, small).complete(job())
    assert (answer.text, answer.path, answer.site, answer.reason) == ("from the cloud", LARGE, "cloud", "default path")
    assert small.requests == []
    assert large.requests[0].sampling.max_tokens == 99


@pytest.mark.parametrize("fault", [GONE, ZeroDivisionError("mistake"), Overloaded("large@cloud", 1, 1, 2.0)])
async def test_the_fallback_answers_when_the_path_fails(fault: Exception) -> None:
    large, small = FakeReplica(fault=fault), FakeReplica("from home")
    answer = await pair(large, small).complete(job())
    assert (answer.text, answer.path) == ("from home", SMALL)
    assert "none/none/none/large at cloud did not answer" in answer.reason
    opened = await pair(FakeReplica(fault=fault), FakeReplica("from home")).open(job())
    assert opened.trial.path == SMALL


async def test_a_hanging_path_leaves_time_for_the_fallback() -> None:
    large, small = FakeReplica(hang=True), FakeReplica("from home")
    answer = await pair(large, small).complete(job(limit_s=2.0))
    assert (answer.text, large.cancelled) == ("from home", 1)
    assert answer.latency_s < 2.0


async def test_a_server_that_needs_most_of_the_time_gets_it_although_another_could_be_asked() -> None:
    large, small = FakeReplica("from the cloud"), FakeReplica("from home")
    system = pair(large, small)
    await system.complete(job(limit_s=30.0))
    assert large.requests[-1].timeout_s == pytest.approx(21.0, abs=1.0)
    for _ in range(50):
        placement = system.dispatch.place("large", Need(ANSWER, 5, 99, 0.0))
        assert placement is not None
        placement.answered(StageReport("generate", "large", "cloud", 24.0, prompt_tokens=1, completion_tokens=9), 0.0, 0.0)
    await system.complete(job(limit_s=30.0))
    assert large.requests[-1].timeout_s == pytest.approx(30.0, abs=2.0)


async def test_a_pinned_path_is_never_left() -> None:
    small = FakeReplica("from home")
    with pytest.raises(EngineUnavailable):
        await pair(FakeReplica(fault=GONE), small).complete(job(Decision(LARGE, "named by the caller")))
    assert small.requests == []


async def test_a_pinned_path_may_move_to_another_site_of_its_model() -> None:
    clients = [
        client_of(FakeReplica(fault=GONE), "large", "cloud-1", "cloud"),
        client_of(FakeReplica("b"), "large", "cloud-2", "cloud"),
    ]
    answer = await runner(clients).complete(job(Decision(LARGE, "named by the caller")))
    assert (answer.text, answer.site) == ("b", "cloud-2")


async def test_what_is_too_long_for_one_model_is_put_to_another_that_may_read_more() -> None:
    answer = await pair(FakeReplica(fault=ContextTooLong("large", 9, 9, 9)), FakeReplica("read")).complete(job())
    assert (answer.text, answer.site) == ("read", "home")
    assert "ContextTooLong" in answer.reason


async def test_what_is_too_long_for_every_model_is_the_caller_s_mistake() -> None:
    with pytest.raises(ContextTooLong):
        await pair(*(FakeReplica(fault=ContextTooLong(name, 9, 9, 9)) for name in ("large", "small"))).complete(job())


async def test_overload_is_told_although_the_fallback_failed_otherwise() -> None:
    with pytest.raises(Overloaded):
        await pair(FakeReplica(fault=Overloaded("large", 1, 1, 2.0)), FakeReplica(fault=GONE)).complete(job())


@pytest.mark.parametrize("slo", [Slo(max_latency_s=0.05), Slo(max_ttft_s=0.05)])
async def test_time_is_up_with_the_limit_in_the_sentence(slo: Slo) -> None:
    with pytest.raises(DeadlineExceeded, match=r"0\.05 s"):
        await pair(FakeReplica(hang=True), FakeReplica(hang=True)).complete(job(slo=slo))


async def test_a_stream_that_fails_after_its_first_word_is_not_begun_again() -> None:
    large, small = FakeReplica("one two", fault=ValueError("tired"), fault_at=1), FakeReplica("from home")
    system = pair(large, small)
    opened = await system.open(job())
    deltas = opened.deltas()
    assert (await anext(deltas)).text == "one"
    with pytest.raises(EngineFailed, match="tired"):
        await anext(deltas)
    assert small.requests == []


async def test_an_answer_with_a_limit_to_its_first_token_says_when_that_came() -> None:
    answer = await pair(FakeReplica("one two"), FakeReplica()).complete(job(slo=Slo(max_ttft_s=5.0)))
    assert answer.text == "one two"
    assert answer.ttft_s is not None


async def test_the_record_has_the_account() -> None:
    this = job(slo=Slo(max_cost_usd=0.1))
    record = (await pair(FakeReplica(), FakeReplica()).complete(this)).record(this)
    assert record["measured"]["cost_usd"] == 0.5
    assert record["measured"]["energy_source"] == "modelled"
    assert record["measured"]["stages"][0]["completion_tokens"] == 2
    assert record["slo_met"] is False
    assert (record["path"], record["site"], record["predicted"], record["link"]) == (LARGE.name, "cloud", None, None)


async def test_a_path_of_a_model_without_server_is_told() -> None:
    with pytest.raises(EngineUnavailable, match="no server"):
        await runner([]).complete(job())


class FakeStages:
    """A pipeline that rewrites with the model it is given and finds one passage."""

    async def get(self) -> "FakeStages":
        return self

    async def prepare(self, path: Path, dialogue: Sequence[Message], ask: Ask, shared: Shared | None) -> Prompt:
        rewritten = await ask(dialogue)
        passage = Passage("p1", "Manual", "The lamp is on.", 0.9, "manual.md")
        report = StageReport(
            "preprocess", path.preprocess, "home", 0.1, cost_usd=rewritten.report.cost_usd, energy_source="measured"
        )
        return Prompt(({"role": "user", "content": rewritten.text},), tuple(dialogue), (passage,), (report,), 0.1)


async def test_a_path_with_stages_asks_the_preprocess_model_and_names_its_sources() -> None:
    small, large = FakeReplica("which lamp is on?"), FakeReplica("the lamp in the hall")
    clients = [client_of(small, "small"), client_of(large, "large", "cloud", "cloud")]
    staged = Path("rewrite", "bm25@1", "none", "large")
    this = job(Decision(staged, "named by the caller"))
    answer = await Runner(CONFIG, clients, FakeStages()).complete(this)  # type: ignore[arg-type]
    assert answer.text == "the lamp in the hall"
    assert large.requests[0].messages == ({"role": "user", "content": "which lamp is on?"},)
    record = answer.record(this)
    assert record["sources"] == [{"title": "Manual", "source": "manual.md", "passage_id": "p1", "score": 0.9}]
    assert [stage["stage"] for stage in record["measured"]["stages"]] == ["preprocess", "generate"]
    assert record["measured"]["cost_usd"] == 1.0
    assert record["measured"]["energy_source"] == "modelled"  # a part of it is


async def test_a_late_preprocess_model_ends_in_time() -> None:
    clients = [client_of(FakeReplica(hang=True), "small"), client_of(FakeReplica(), "large", "cloud", "cloud")]
    this = job(Decision(Path("rewrite", "none", "none", "large"), "named by the caller"), limit_s=0.05)
    with pytest.raises(DeadlineExceeded):
        await Runner(CONFIG, clients, FakeStages()).complete(this)  # type: ignore[arg-type]


def test_auto_is_the_default_and_then_the_edge() -> None:
    assert Catalogue(CONFIG).decide("auto", Slo()) == AUTO


async def test_the_way_to_answer_reaches_the_model() -> None:
    split = {"engine": "split", "path": "x", "exit_layers": [1], "modes": ["0.8", "verified@4"]}
    config = Config.model_validate({"models": {"home": split}})
    note = StageReport("generate", "home@0.8", "home", 0.1, link="emulated: 50 ms", note="3 of 9 tokens without the cloud")
    replica = FakeReplica("hello")
    replica.report = note
    path = Path("none", "none", "none", "home@verified@4")
    ran = Runner(config, [client_of(replica, "home", model=config.models["home"])], LightStages(config))
    answer = await ran.complete(job(Decision(path, "named by the caller")))
    assert [request.mode for request in replica.requests] == ["verified@4"]
    assert (answer.path, answer.link) == (path, "emulated: 50 ms")
    assert answer.reason == "named by the caller; 3 of 9 tokens without the cloud"
    await ran.ask("home@0.8", replica.requests[0], asyncio.get_running_loop().time() + 9)
    assert replica.requests[1].mode == "0.8"
