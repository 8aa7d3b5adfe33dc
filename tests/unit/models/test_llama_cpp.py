"""The llama.cpp engine on a real, tiny GGUF file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from transformers import AutoTokenizer

from cluster.config import LlamaCppModel
from deployments.messages import GenerateRequest, Sampling
from deployments.models.llama_context import FIRST_CHUNK_TOKENS, LlamaContext
from deployments.models.llama_cpp import LlamaCppEngine
from deployments.models.llama_weights import LlamaWeights
from policies.errors import ConfigurationError, ContextTooLong, InvalidRequest
from tests.tiny_models import logprobs

pytestmark = pytest.mark.models

CONTEXT = 512
MESSAGES = ({"role": "user", "content": "Turn the lamp on. Grüße 🙂"},)


def config(path: Path, **changes: object) -> LlamaCppModel:
    fields = {"engine": "llama_cpp", "path": path, "context_tokens": CONTEXT, "contexts": 1, **changes}
    return LlamaCppModel.model_validate(fields)


def ask(max_tokens: int = 40, **sampling: object) -> GenerateRequest:
    return GenerateRequest("r1", Sampling(max_tokens, **sampling), messages=MESSAGES)  # type: ignore[arg-type]


@pytest.fixture
async def engine(tiny_gguf: Path) -> AsyncIterator[LlamaCppEngine]:
    engine = LlamaCppEngine("tiny", "home", config(tiny_gguf))
    await engine.start()
    yield engine
    await engine.stop()


async def test_the_same_question_gets_the_same_greedy_answer_streamed_or_not(engine: LlamaCppEngine):
    whole = await engine.complete(ask())
    deltas = [delta async for delta in engine.stream(ask())]
    assert "".join(delta.text for delta in deltas) == whole.text != ""
    assert deltas[-1].finish_reason == whole.finish_reason == "length"


async def test_tokens_are_counted_exactly(engine: LlamaCppEngine, tiny_checkpoint: Path):
    report = (await engine.complete(ask(max_tokens=17))).report
    chat = AutoTokenizer.from_pretrained(tiny_checkpoint).apply_chat_template(list(MESSAGES), add_generation_prompt=True)
    assert (report.prompt_tokens, report.completion_tokens) == (len(chat["input_ids"]), 17)
    assert report.seconds >= report.wait_s >= 0
    assert report.energy_j > 0


async def test_it_tells_how_sure_it_was_when_it_is_asked(engine: LlamaCppEngine, tiny_checkpoint: Path):
    silent = (await engine.complete(ask(12))).report.shown
    assert (silent.mean_logprob, silent.least_logprob, silent.tokens) == (None, None, 12)
    shown = (await engine.complete(replace(ask(12), logprobs=True))).report.shown
    known = logprobs(tiny_checkpoint, MESSAGES, 12)
    assert shown.mean_logprob == pytest.approx(sum(known) / len(known), abs=0.1)  # weights of 8 bits
    assert shown.least_logprob == pytest.approx(min(known), abs=0.3)


async def test_a_raw_prompt_is_not_put_into_the_chat_template(engine: LlamaCppEngine):
    report = (await engine.complete(GenerateRequest("r1", Sampling(1), prompt="lamp lamp"))).report
    chat = (await engine.complete(ask(max_tokens=1))).report
    assert report.prompt_tokens < chat.prompt_tokens


async def test_nothing_of_a_stop_string_is_seen(engine: LlamaCppEngine):
    whole = (await engine.complete(ask())).text
    stop = whole[10:14]
    answer = await engine.complete(ask(stop=(stop,)))
    assert (answer.text, answer.finish_reason) == (whole[: whole.index(stop)], "stop")
    assert answer.report.completion_tokens < 40


async def test_only_a_fresh_request_reads_what_was_read_before(engine: LlamaCppEngine, monkeypatch: pytest.MonkeyPatch):
    read: list[int] = []
    decode = LlamaContext._decode

    def counted(self: LlamaContext, tokens: list[int]) -> None:
        read.append(len(tokens))
        decode(self, tokens)

    monkeypatch.setattr(LlamaContext, "_decode", counted)
    totals = []
    for request in (ask(1), ask(1), replace(ask(1), fresh=True)):
        prompt = (await engine.complete(request)).report.prompt_tokens
        totals.append(sum(read))
        read.clear()
    assert totals == [prompt, 1, prompt]


async def test_a_seed_repeats_a_random_answer(engine: LlamaCppEngine):
    one, same, other = [await engine.complete(ask(temperature=1.5, seed=seed)) for seed in (1, 1, 2)]
    assert one.text == same.text != other.text


async def test_penalties_change_what_is_repeated(tiny_gguf: Path):
    weights = LlamaWeights(tiny_gguf)
    context = LlamaContext(weights, CONTEXT, threads=1)
    plain = list(context.generate([5, 6, 7], Sampling(200), lambda: False))
    penalised = list(context.generate([5, 6, 7], Sampling(200, presence_penalty=2.0, frequency_penalty=2.0), lambda: False))
    assert len(set(penalised)) / len(penalised) > len(set(plain)) / len(plain)
    context.close()
    weights.close()


async def test_closing_the_stream_stops_the_computation(engine: LlamaCppEngine, monkeypatch: pytest.MonkeyPatch):
    gate, pieces, piece = Event(), [], LlamaWeights.piece

    def gated(weights: LlamaWeights, token: int) -> bytes:
        if pieces:
            gate.wait()
        pieces.append(token)
        return piece(weights, token) or b"x"

    monkeypatch.setattr(LlamaWeights, "piece", gated)
    async with aclosing(engine.stream(ask(max_tokens=400))) as deltas:
        await anext(deltas)
    gate.set()
    await engine.complete(ask(max_tokens=1))  # the only context is free again
    assert len(pieces) <= 4


async def test_a_request_that_is_cancelled_while_it_waits_is_never_computed(
    engine: LlamaCppEngine, monkeypatch: pytest.MonkeyPatch
):
    entered, gate, prompts, chat = Event(), Event(), [], LlamaWeights.chat

    def gated(weights: LlamaWeights, messages: object) -> list[int]:
        prompts.append(messages)
        entered.set()
        gate.wait()
        return chat(weights, MESSAGES)

    monkeypatch.setattr(LlamaWeights, "chat", gated)
    first = asyncio.create_task(engine.complete(ask(max_tokens=1)))
    await asyncio.to_thread(entered.wait)
    second = asyncio.create_task(engine.complete(ask(max_tokens=1)))
    await asyncio.sleep(0.01)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    gate.set()
    await first
    await engine.complete(ask(max_tokens=1))
    assert len(prompts) == 2


async def test_requests_beyond_the_contexts_wait_and_say_how_long(engine: LlamaCppEngine, monkeypatch: pytest.MonkeyPatch):
    entered, gate, chat = Event(), Event(), LlamaWeights.chat

    def gated(weights: LlamaWeights, messages: object) -> list[int]:
        entered.set()
        gate.wait()
        return chat(weights, MESSAGES)

    monkeypatch.setattr(LlamaWeights, "chat", gated)
    first = asyncio.create_task(engine.complete(ask()))
    await asyncio.to_thread(entered.wait)
    second = asyncio.create_task(engine.complete(ask()))
    await asyncio.sleep(0.05)
    gate.set()
    assert (await second).report.wait_s >= 0.04
    assert (await first).text == (await second).text


async def test_two_contexts_answer_at_once_from_one_copy_of_the_weights(tiny_gguf: Path):
    engine = LlamaCppEngine("tiny", "home", config(tiny_gguf, contexts=2))
    await engine.start()
    async with aclosing(engine.stream(ask(max_tokens=300))) as one, aclosing(engine.stream(ask(max_tokens=300))) as two:
        assert (await anext(one)).finish_reason is None
        assert (await anext(two)).finish_reason is None
    await engine.stop()


async def test_a_prompt_beyond_the_context_is_refused_with_the_numbers(engine: LlamaCppEngine):
    with pytest.raises(ContextTooLong, match=f"asks for {CONTEXT} more, but the context of tiny holds {CONTEXT}"):
        await engine.complete(ask(max_tokens=CONTEXT))
    assert (await engine.complete(ask(max_tokens=1))).text is not None


async def test_an_empty_prompt_is_refused(engine: LlamaCppEngine):
    with pytest.raises(InvalidRequest, match="empty"):
        await engine.complete(GenerateRequest("r1", Sampling(1), prompt=""))


async def test_any_text_is_a_prompt(engine: LlamaCppEngine):
    for text in ("\x00", "\ud800", "🙂" * 20, "<|end|>", "\n\n"):
        answer = await engine.complete(GenerateRequest("r1", Sampling(2), prompt=text))
        assert answer.report.prompt_tokens > 0


def test_a_long_prompt_is_left_between_two_chunks(tiny_gguf: Path):
    weights = LlamaWeights(tiny_gguf)
    context = LlamaContext(weights, CONTEXT, threads=1)
    asked: list[bool] = []

    def stopped() -> bool:
        asked.append(True)
        return len(asked) > 2

    prompt = [5 + i % 50 for i in range(10 * FIRST_CHUNK_TOKENS)]
    assert list(context.generate(prompt, Sampling(5), stopped)) == []
    assert list(context.generate(prompt, Sampling(5), lambda: False)) == list(
        LlamaContext(weights, CONTEXT, threads=1).generate(prompt, Sampling(5), lambda: False)
    )
    context.close()
    weights.close()


async def test_a_missing_file_is_a_sentence(tmp_path: Path):
    engine = LlamaCppEngine("tiny", "home", config(tmp_path / "none.gguf"))
    with pytest.raises(ConfigurationError, match=r"none\.gguf cannot be read: No such file"):
        await engine.start()


async def test_another_kind_of_file_is_a_sentence(tmp_path: Path):
    (tmp_path / "model.gguf").write_bytes(b"PK\x03\x04 a zip")
    engine = LlamaCppEngine("tiny", "home", config(tmp_path / "model.gguf"))
    with pytest.raises(ConfigurationError, match="is not a GGUF file"):
        await engine.start()


def test_a_broken_file_is_a_sentence_and_silent(tmp_path: Path, tiny_gguf: Path, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "half.gguf").write_bytes(tiny_gguf.read_bytes()[:20_000])
    engine = LlamaCppEngine("tiny", "home", config(tmp_path / "half.gguf"))
    with pytest.raises(ConfigurationError, match=r"cannot be loaded by llama\.cpp"):
        asyncio.run(engine.start())
    assert capfd.readouterr().err == ""


async def test_a_context_beyond_the_training_is_refused(tiny_gguf: Path):
    engine = LlamaCppEngine("tiny", "home", config(tiny_gguf, context_tokens=4096))
    with pytest.raises(ConfigurationError, match=r"context_tokens is 4096, but .* was trained with 512"):
        await engine.start()
