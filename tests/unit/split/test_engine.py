"""The engine of a split model on the demo's cloud model, both parts in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import pytest_asyncio
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cluster.config import SplitModel
from cluster.config.sites import Link
from deployments import prompts
from deployments.messages import GenerateRequest, Sampling
from deployments.models.split.checkpoint import Checkpoint
from deployments.models.split.cloud import CloudPart
from deployments.models.split.desk import Desk
from deployments.models.split.engine import SplitEngine
from deployments.models.split.load import partition_of
from deployments.models.split.lobby import Lobby, Numbered
from deployments.prompts import Message
from examples.smart_home.export import CLOUD_FOLDER
from examples.smart_home.huggingface import EXITS_FILE
from policies.errors import ConfigurationError, ContextTooLong, EngineFailed, InvalidRequest
from tests.unit.split.town import CPU, PatientPace

pytestmark = [pytest.mark.models, pytest.mark.asyncio(loop_scope="module")]

CONFIG = SplitModel.model_validate(
    {
        "engine": "split",
        "path": CLOUD_FOLDER,
        "exits": CLOUD_FOLDER / EXITS_FILE,
        "exit_layers": (3, 5),
        "modes": ("standalone", "0.8", "1", "verified@6"),
        "context_tokens": 1024,
        "price": {"prompt_usd_per_mtok": 1.0, "completion_usd_per_mtok": 10.0},
    }
)
HOME = CLOUD_FOLDER.parents[1] / "home"


class Handle:
    """A deployment handle to a lobby in this process, as far as the link uses it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.lobby = Lobby(desk)
        self.broken = False
        self.put = self.listen = self

    def options(self, *, stream: bool) -> Handle:
        return self

    def remote(self, edge: str, messages: list[Numbered] | None = None) -> Any:
        if messages is None:
            return Stream(self.lobby.listen(edge))
        return asyncio.ensure_future(self.lobby.put(edge, [] if self.broken else messages))


class Stream:
    """What Ray gives back for a streaming call."""

    def __init__(self, answers: AsyncGenerator[list[Numbered], None]) -> None:
        self._answers = answers

    def __aiter__(self) -> AsyncGenerator[list[Numbered], None]:
        return self._answers

    def cancel(self) -> None:
        """The generator is closed with its last reference."""


class Parts:
    """A started engine and what is behind it."""

    def __init__(self, engine: SplitEngine, handle: Handle) -> None:
        self.engine = engine
        self.handle = handle


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def parts() -> AsyncIterator[Parts]:
    checkpoint = Checkpoint(CONFIG.path)
    cloud = CloudPart(checkpoint, partition_of(CONFIG, checkpoint), torch.float32, CPU)
    with ThreadPoolExecutor(1) as thread:
        handle: Any = Handle(Desk(cloud, thread, 1 << 28))
        engine = SplitEngine("m", "home", CONFIG, handle, Link(rtt_s=0.0))
        await engine.start()
        engine._speaker.pace = PatientPace()
        await asyncio.sleep(0.01)  # the link connects in the background
        yield Parts(engine, handle)
        await engine.stop()


def request(messages: list[Message], mode: str = "", **sampling: Any) -> GenerateRequest:
    return GenerateRequest("r", Sampling(**{"max_tokens": 96, **sampling}), tuple(messages), mode=mode)


@cache
def demo_prompts() -> list[list[Message]]:
    """Some of the demo's test set, with the passages that hold the answer."""
    documents = {d["id"]: d["text"] for d in map(json.loads, (HOME / "documents" / "home.jsonl").read_text().splitlines())}
    queries = [json.loads(line) for line in (HOME / "queries.jsonl").read_text().splitlines()]
    return [prompts.answer(query["messages"], [documents[name] for name in query["gold"]]) for query in queries[::75]]


@cache
def whole_model() -> tuple[Any, Any]:
    return AutoModelForCausalLM.from_pretrained(CLOUD_FOLDER, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(
        CLOUD_FOLDER
    )


@cache
def by_the_whole_model(number: int) -> str:
    """Greedy, by transformers, nothing rounded."""
    model, tokenizer = whole_model()
    prompt = tokenizer.apply_chat_template(demo_prompts()[number], add_generation_prompt=True, tokenize=False)
    tokens = tokenizer.encode(prompt, add_special_tokens=False, return_tensors="pt")
    text = model.generate(tokens, max_new_tokens=96, do_sample=False)[0, tokens.shape[1] :]
    said: str = tokenizer.decode(text, skip_special_tokens=True)
    return said


@pytest.mark.parametrize("mode", ["1", "verified@6"])
@pytest.mark.parametrize("number", range(len(demo_prompts())))
async def test_the_demos_questions_are_answered_as_by_the_whole_model(parts: Parts, mode: str, number: int) -> None:
    completion = await parts.engine.complete(request(demo_prompts()[number], mode))
    assert completion.text == by_the_whole_model(number)
    assert completion.finish_reason == "stop"
    assert completion.report.note is None
    assert completion.report.link == "emulated: 0 ms round trip, unlimited bandwidth"


async def settled(desk: Desk) -> None:
    """The ends of all sessions are on their way: return when they have come."""
    while desk.sessions:  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def test_reports(parts: Parts) -> None:
    standalone, alone = (
        request(demo_prompts()[0], "standalone"),
        await parts.engine.complete(request(demo_prompts()[0], "standalone")),
    )
    assert (alone.report.option, alone.report.cost_usd, alone.report.link) == ("m@standalone", 0.0, None)
    assert (alone.report.up_bytes, alone.report.down_bytes) == (0, 0)
    all_cloud = await parts.engine.complete(replace(standalone, mode="1"))
    tokens = all_cloud.report.prompt_tokens + all_cloud.report.completion_tokens - 1  # the last is nobody's prompt
    assert all_cloud.report.option == "m@1"
    assert all_cloud.report.cost_usd == pytest.approx((tokens + 10 * all_cloud.report.completion_tokens) / 1e6)
    assert all_cloud.report.energy_j > 0
    states = 2 * 256 * tokens
    assert states < all_cloud.report.up_bytes < 1.02 * states
    assert 0 < all_cloud.report.down_bytes < 0.02 * states
    assert (await parts.engine.complete(replace(standalone, mode=""))).report.option == "m@standalone"


async def test_sixteen_at_once(parts: Parts) -> None:
    desk = parts.handle.desk
    passes, positions = desk.passes, desk.positions
    asked = [request(demo_prompts()[i % 6], ["1", "verified@6"][i % 2]) for i in range(16)]
    said = await asyncio.gather(*map(parts.engine.complete, asked))
    assert [completion.text for completion in said] == [by_the_whole_model(i % 6) for i in range(16)]
    assert desk.passes - passes < sum(completion.report.completion_tokens for completion in said) / 2
    assert desk.positions > positions
    await settled(desk)
    assert desk.nbytes == 0


async def test_when_the_cloud_is_gone_the_answer_says_so(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    parts.handle.broken = True
    monkeypatch.setattr(parts.engine._speaker.pace, "limit_s", lambda positions: 0.01)
    try:
        completion = await parts.engine.complete(request(demo_prompts()[1], "1"))
    finally:
        parts.handle.broken = False
        parts.engine._speaker.backoff.succeeded()
    count = completion.report.completion_tokens
    assert completion.finish_reason == "stop"
    assert completion.report.note == f"{count} of {count} tokens without the cloud (no answer within 0.01 s)"


async def test_stop_strings_and_lengths(parts: Parts) -> None:
    messages = demo_prompts()[0]
    whole = by_the_whole_model(0)
    for mode in ("1", "verified@6"):
        stopped = await parts.engine.complete(request(messages, mode, stop=(whole[7:9],)))
        assert (stopped.text, stopped.finish_reason) == (whole[: whole.index(whole[7:9])], "stop")
        short = await parts.engine.complete(request(messages, mode, max_tokens=4))
        assert whole.startswith(short.text)
        assert (short.finish_reason, short.report.completion_tokens) == ("length", 4)


async def test_a_seed_makes_a_text_again(parts: Parts) -> None:
    def drawn(mode: str, seed: int) -> GenerateRequest:
        return request(demo_prompts()[2], mode, max_tokens=8, temperature=4.0, seed=seed)

    texts = [(await parts.engine.complete(drawn(mode, -3))).text for mode in ("verified@6", "1", "1")]
    assert len(set(texts)) == 1
    assert len({(await parts.engine.complete(drawn("1", seed))).text for seed in range(4)}) > 1


async def test_a_caller_who_leaves_ends_the_session(parts: Parts) -> None:
    async with aclosing(parts.engine.stream(request(demo_prompts()[0], "1"))) as deltas:
        await anext(deltas)
        assert parts.handle.desk.sessions == 1
    await settled(parts.handle.desk)


async def test_requests_that_cannot_be_answered(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ContextTooLong):
        await parts.engine.complete(request([{"role": "user", "content": "word " * 1000}]))
    with pytest.raises(InvalidRequest, match="empty"):
        await parts.engine.complete(GenerateRequest("r", Sampling(4), prompt=""))
    monkeypatch.setattr(parts.engine._vocabulary._tokenizer, "chat_template", "{{ raise_exception('no system messages') }}")
    with pytest.raises(InvalidRequest, match="chat template does not accept these messages: no system messages"):
        await parts.engine.complete(request([{"role": "system", "content": "x"}]))


async def test_states_that_are_no_numbers_fail_their_answer_alone(parts: Parts) -> None:
    table = parts.engine._speaker._part._embedding
    token = whole_model()[1].encode("é")[0]
    good = table[token].clone()
    table[token] = torch.nan
    try:
        bad, fine = await asyncio.gather(
            parts.engine.complete(GenerateRequest("r", Sampling(4), prompt="é", mode="1")),
            parts.engine.complete(request(demo_prompts()[0], "1")),
            return_exceptions=True,
        )
    finally:
        table[token] = good
    assert isinstance(bad, EngineFailed)
    assert "not finite" in str(bad)
    assert not isinstance(fine, BaseException)
    assert fine.text == by_the_whole_model(0)


async def test_folders_that_cannot_be_served() -> None:
    handle: Any = None
    for change, sentence in (
        ({"context_tokens": 4096}, "was trained with 2048; lower it"),
        ({"exit_layers": (3, 10)}, "do not split a model of 10 layers"),
        ({"exit_layers": (2, 5)}, "no exit after layer 2"),
        ({"path": HOME, "exits": None}, "config.json is missing"),
    ):
        engine = SplitEngine("m", "home", CONFIG.model_copy(update=change), handle, None)
        with pytest.raises(ConfigurationError, match=sentence):
            await engine.start()
