"""The vLLM engine on a real, tiny checkpoint; loading it takes most of a minute, so one engine serves all tests."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from transformers import AutoTokenizer

from cluster.config import VllmModel
from deployments.messages import GenerateRequest, Sampling
from deployments.models.vllm import VllmEngine, environment
from policies.errors import ConfigurationError, ContextTooLong, EngineUnavailable, InvalidRequest
from tests.tiny_models import logprobs

# vLLM leaves its zmq context to the garbage collector, which complains when the last test of the module is over.
LEFT_OPEN = r"ignore:Exception ignored in. <function Context\.__del__:pytest.PytestUnraisableExceptionWarning"
pytestmark = pytest.mark.filterwarnings(LEFT_OPEN)
real = [
    pytest.mark.models,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed"),
    pytest.mark.filterwarnings("ignore"),  # vLLM's and torch's own
    pytest.mark.timeout(600),
]
CONTEXT = 256
MESSAGES = ({"role": "user", "content": "Turn the lamp on. Grüße 🙂"},)


def config(path: Path | str, **changes: object) -> VllmModel:
    fields = {"engine": "vllm", "tier": "cloud", "path": str(path), "dtype": "float32", "kv_cache_gib": 0.1}
    return VllmModel.model_validate({**fields, "context_tokens": CONTEXT, "max_ongoing": 8, **changes})


def ask(name: str, max_tokens: int = 30, **sampling: object) -> GenerateRequest:
    return GenerateRequest(name, Sampling(max_tokens, **sampling), messages=MESSAGES)  # type: ignore[arg-type]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tiny_checkpoint: Path) -> AsyncIterator[VllmEngine]:
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment(config(tiny_checkpoint)).items():
            patch.setenv(variable, value)  # so that what the engine sets is unset afterwards
        engine = VllmEngine("tiny", "cloud", config(tiny_checkpoint))
        await engine.start()
        yield engine
        await engine.stop()


class TestEngine:
    pytestmark = real

    async def test_the_same_question_gets_the_same_greedy_answer_streamed_or_not(self, engine: VllmEngine):
        whole = await engine.complete(ask("a"))
        deltas = [delta async for delta in engine.stream(ask("b"))]
        assert "".join(delta.text for delta in deltas) == whole.text != ""
        assert deltas[-1].finish_reason == whole.finish_reason == "length"

    async def test_tokens_are_counted_exactly(self, engine: VllmEngine, tiny_checkpoint: Path):
        chat = AutoTokenizer.from_pretrained(tiny_checkpoint).apply_chat_template(list(MESSAGES), add_generation_prompt=True)
        streamed = [delta async for delta in engine.stream(ask("c", max_tokens=17))][-1].report
        assert streamed is not None
        assert (streamed.prompt_tokens, streamed.completion_tokens) == (len(chat["input_ids"]), 17)
        whole = (await engine.complete(ask("d", max_tokens=17))).report
        assert (whole.prompt_tokens, whole.completion_tokens) == (len(chat["input_ids"]), 17)
        assert whole.energy_j > 0

    async def test_it_tells_how_sure_it_was_when_it_is_asked(self, engine: VllmEngine, tiny_checkpoint: Path):
        silent = (await engine.complete(ask("silent", 12))).report.shown
        assert (silent.mean_logprob, silent.least_logprob, silent.tokens) == (None, None, 12)
        known = logprobs(tiny_checkpoint, MESSAGES, 12)
        whole = (await engine.complete(replace(ask("sure", 12), logprobs=True))).report
        streamed = [delta async for delta in engine.stream(replace(ask("sure-streamed", 12), logprobs=True))][-1].report
        for report in (whole, streamed):
            assert report is not None
            assert report.shown.mean_logprob == pytest.approx(sum(known) / len(known), abs=1e-3)
            assert report.shown.least_logprob == pytest.approx(min(known), abs=1e-3)

    async def test_many_at_once_get_what_one_gets(self, engine: VllmEngine):
        answers = await asyncio.gather(*(engine.complete(ask(f"e{i}")) for i in range(8)))
        assert len({answer.text for answer in answers}) == 1

    async def test_a_fresh_request_gets_the_same_answer(self, engine: VllmEngine):
        fresh = await engine.complete(replace(ask("fresh"), fresh=True))
        assert fresh.text == (await engine.complete(ask("not-fresh"))).text != ""

    async def test_nothing_of_a_stop_string_is_seen(self, engine: VllmEngine):
        whole = (await engine.complete(ask("f"))).text
        stop = whole[6:9]
        deltas = [delta async for delta in engine.stream(ask("g", stop=(stop,)))]
        assert "".join(delta.text for delta in deltas) == whole[: whole.index(stop)]
        assert deltas[-1].finish_reason == "stop"

    async def test_closing_the_stream_aborts_the_request(self, engine: VllmEngine):
        async with aclosing(engine.stream(ask("h", max_tokens=200))) as deltas:
            await anext(deltas)
            assert engine._llm.get_num_unfinished_requests() == 1
        assert engine._llm.get_num_unfinished_requests() == 0

    async def test_a_prompt_beyond_the_context_is_refused_with_the_numbers(self, engine: VllmEngine):
        with pytest.raises(ContextTooLong, match=f"asks for {CONTEXT} more, but the context of tiny holds {CONTEXT}"):
            await engine.complete(ask("i", max_tokens=CONTEXT))

    async def test_an_empty_prompt_is_refused(self, engine: VllmEngine):
        with pytest.raises(InvalidRequest, match="empty"):
            await engine.complete(GenerateRequest("j", Sampling(1), prompt=""))

    async def test_a_context_beyond_the_model_is_a_sentence(self, engine: VllmEngine, tiny_checkpoint: Path):
        with pytest.raises(ConfigurationError, match=r"vLLM cannot run models\.big .*max_model_len.*4096"):
            await VllmEngine("big", "cloud", config(tiny_checkpoint, context_tokens=4096)).start()

    async def test_a_dead_engine_is_unavailable_and_unwell(self, engine: VllmEngine):
        """Last, since it kills the engine."""
        await engine.check()
        (core,) = [child for child in psutil.Process().children() if "EngineCore" in child.name()]
        stream = engine.stream(ask("k", max_tokens=200))
        await anext(stream)
        os.kill(core.pid, signal.SIGKILL)
        with pytest.raises(EngineUnavailable, match="its engine process has died"):
            async for _ in stream:
                pass
        with pytest.raises(EngineUnavailable):
            await engine.check()


@pytest.mark.parametrize("path", ["/nowhere/model", "models/cloud/final", "model"])
async def test_what_is_neither_a_folder_nor_a_hub_name_is_a_sentence(path: str):
    with pytest.raises(ConfigurationError, match=f"models.big.path {path} is neither a folder nor a hub name"):
        await VllmEngine("big", "cloud", config(path)).start()


async def test_a_folder_without_a_model_is_a_sentence(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"is not a checkpoint: it holds no config\.json"):
        await VllmEngine("big", "cloud", config(tmp_path)).start()


def test_the_hub_is_not_asked_for_a_folder(tmp_path: Path):
    assert environment(config(tmp_path))["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in environment(config("owner/model"))


def test_threads_are_those_that_are_reserved(tmp_path: Path):
    assert environment(config(tmp_path, cpus=3))["OMP_NUM_THREADS"] == "3"
    assert "OMP_NUM_THREADS" not in environment(config(tmp_path, gpus=1))
