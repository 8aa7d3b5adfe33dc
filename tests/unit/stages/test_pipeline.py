import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from cluster.config import Config, Documents, EchoModel, Power, Stages
from cluster.encoder import Encoder
from cluster.index import build_index, open_index
from deployments import prompts
from deployments.messages import Completion, StageReport
from deployments.pipeline import Pipeline
from deployments.preprocess import PREPROCESSORS
from deployments.prompts import Message
from deployments.registry import split_option
from policies.errors import ConfigurationError
from policies.signals import NO_SIGNALS
from policies.types import Path

DIALOGUE: list[Message] = [
    {"role": "user", "content": "Which washer do we have?"},
    {"role": "assistant", "content": "The one in the bath."},
    {"role": "user", "content": "What blocks it?"},
]
STAGES = Stages(
    preprocess=("none", "rewrite", "decompose"), retrieve=("none", "bm25@1", "hybrid@2"), refine=("none", "mmr", "compress")
)
SAID = StageReport("generate", "echo", "home", 0.5, 12, 4, 0.003, 2.5, "measured", 0.1)


async def ask(messages: Sequence[Message]) -> Completion:
    return Completion("What does E4 of the washer mean?\nWhere is the oven cleaned?", "stop", SAID)


def config(stages: Stages, documents: Documents | None = None) -> Config:
    model = EchoModel(engine="echo", power=Power(idle_w=2, peak_w=20))
    return Config(models={"edge": model}, stages=stages, documents=documents)


@pytest.fixture
async def pipeline(documents: Documents, encoder: Encoder) -> AsyncIterator[Pipeline]:
    build_index(documents, encoder)
    pipeline = Pipeline(config(STAGES, documents), open_index(documents.index, encoder), encoder)
    yield pipeline
    pipeline.close()


async def test_a_path_of_nothing_passes_the_dialogue_on(pipeline: Pipeline) -> None:
    prompt = await pipeline.prepare(Path("none", "none", "none", "edge"), DIALOGUE, ask)
    assert list(prompt.messages) == DIALOGUE
    assert (prompt.passages, prompt.reports) == ((), ())


async def test_a_full_path_runs_its_stages_in_order(pipeline: Pipeline) -> None:
    prompt = await pipeline.prepare(Path("rewrite", "hybrid@2", "mmr", "edge"), DIALOGUE, ask)
    assert [(report.stage, report.option) for report in prompt.reports] == [
        ("preprocess", "rewrite"),
        ("retrieve", "hybrid@2"),
        ("refine", "mmr"),
    ]
    question = "What does E4 of the washer mean?\nWhere is the oven cleaned?"
    rewritten: list[Message] = [*DIALOGUE[:-1], {"role": "user", "content": question}]
    assert len(prompt.passages) == 2
    assert list(prompt.messages) == prompts.answer(rewritten, [passage.text for passage in prompt.passages])


async def test_reports_carry_what_each_stage_took(pipeline: Pipeline) -> None:
    prompt = await pipeline.prepare(Path("decompose", "bm25@1", "compress", "edge"), DIALOGUE, ask)
    preprocess, retrieve, refine = prompt.reports
    assert preprocess == StageReport("preprocess", "decompose", "home", 0.5, 12, 4, 0.003, 2.5, "measured", 0.1)
    for report in (retrieve, refine):
        assert report.site == "home"
        assert 0 <= report.wait_s <= report.seconds
        assert report.energy_j > 0
        assert (report.prompt_tokens, report.completion_tokens, report.cost_usd) == (0, 0, 0)
        if report.energy_source == "modelled":
            assert report.energy_j <= 20 * report.seconds


@pytest.mark.parametrize("retrieve", ["bm25@1", "hybrid@2"])
async def test_retrieval_shows_its_score_and_by_how_much_it_leads(pipeline: Pipeline, retrieve: str) -> None:
    prompt = await pipeline.prepare(Path("none", retrieve, "none", "edge"), DIALOGUE, ask)
    (shown,) = (report.shown for report in prompt.reports)
    two = (await pipeline.prepare(Path("none", "hybrid@2", "none", "edge"), DIALOGUE, ask)).passages
    assert shown.top_score == prompt.passages[0].score
    assert shown.margin == (two[0].score - two[1].score if retrieve == "hybrid@2" else shown.top_score)  # one has the words


async def test_nothing_found_shows_nothing(pipeline: Pipeline) -> None:
    prompt = await pipeline.prepare(Path("none", "bm25@1", "none", "edge"), [{"role": "user", "content": "xyzzy"}], ask)
    assert [report.shown for report in prompt.reports] == [NO_SIGNALS]


async def test_several_searches_are_fused(pipeline: Pipeline) -> None:
    found = (await pipeline.prepare(Path("decompose", "hybrid@2", "none", "edge"), DIALOGUE, ask)).passages
    assert {passage.source for passage in found} == {"codes.jsonl#e4", "manuals/oven.html"}


async def test_passages_are_limited_to_k(pipeline: Pipeline) -> None:
    for refine in ("none", "mmr", "compress"):
        prompt = await pipeline.prepare(Path("none", "bm25@1", refine, "edge"), DIALOGUE[:1], ask)
        assert len(prompt.passages) == 1


async def test_a_refiner_chooses_from_more_than_it_shows(documents: Documents, encoder: Encoder) -> None:
    (documents.folder / "codes.jsonl").unlink()
    (documents.folder / "filter.txt").write_text("E4 means that the filter of the washer is blocked.")
    (documents.folder / "twin.txt").write_text("E4 means that the filter of the washer is blocked.")
    build_index(documents, encoder)
    pipeline = Pipeline(config(STAGES, documents), open_index(documents.index, encoder), encoder)
    washer: list[Message] = [{"role": "user", "content": "E4: is the filter of the washer blocked?"}]
    plain = (await pipeline.prepare(Path("none", "hybrid@2", "none", "edge"), washer, ask)).passages
    diverse = (await pipeline.prepare(Path("none", "hybrid@2", "mmr", "edge"), washer, ask)).passages
    pipeline.close()
    assert {passage.source for passage in plain} == {"filter.txt", "twin.txt"}
    assert diverse[0] == plain[0]
    assert diverse[1] not in plain


async def test_finding_nothing_is_no_failure(pipeline: Pipeline) -> None:
    zebra: list[Message] = [{"role": "user", "content": "zebra"}]
    prompt = await pipeline.prepare(Path("none", "bm25@1", "mmr", "edge"), zebra, ask)
    assert list(prompt.messages) == zebra
    assert [report.stage for report in prompt.reports] == ["retrieve"]


async def test_computing_happens_off_the_event_loop(documents: Documents, encoder: Encoder) -> None:
    build_index(documents, encoder)
    threads: set[int] = set()
    original = encoder.encode

    def noting(texts: Sequence[str]) -> np.ndarray:
        threads.add(threading.get_ident())
        return original(texts)

    pipeline = Pipeline(config(STAGES, documents), open_index(documents.index, encoder), encoder)
    encoder.encode = noting  # type: ignore[method-assign]
    await pipeline.prepare(Path("none", "hybrid@2", "compress", "edge"), DIALOGUE, ask)
    assert (await pipeline.embed(["a", "b"])).shape == (2, encoder.dimension)
    pipeline.close()
    assert threads
    assert threading.get_ident() not in threads


async def test_many_at_once_do_not_mix(pipeline: Pipeline) -> None:
    questions = ["What does E4 mean?", "What does E5 mean?", "How is the oven cleaned?", "When is heating lowered?"] * 8
    path = Path("none", "hybrid@2", "mmr", "edge")
    asked: list[list[Message]] = [[{"role": "user", "content": question}] for question in questions]
    together = await asyncio.gather(*(pipeline.prepare(path, dialogue, ask) for dialogue in asked))
    alone = [await pipeline.prepare(path, dialogue, ask) for dialogue in asked]
    assert [prompt.messages for prompt in together] == [prompt.messages for prompt in alone]


async def test_of_megabytes_only_the_beginning_is_searched(pipeline: Pipeline, encoder: Encoder) -> None:
    huge: list[Message] = [{"role": "user", "content": "What does E4 of the washer mean? " + "lorem " * 700_000}]
    encoder.encoded.clear()  # type: ignore[attr-defined]
    prompt = await pipeline.prepare(Path("none", "hybrid@2", "compress", "edge"), huge, ask)
    assert prompt.passages[0].source == "codes.jsonl#e4"
    assert prompt.messages[-1]["content"].endswith(huge[0]["content"])
    assert max(map(len, encoder.encoded)) <= 8192  # type: ignore[attr-defined]


async def test_what_ask_raises_is_raised(pipeline: Pipeline) -> None:
    async def failing(messages: Sequence[Message]) -> Completion:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await pipeline.prepare(Path("rewrite", "none", "none", "edge"), DIALOGUE, failing)


async def test_a_path_that_is_not_configured_names_the_key(pipeline: Pipeline) -> None:
    with pytest.raises(ConfigurationError, match=r"no retrieve option 'dense@9'; add it to stages\.retrieve"):
        await pipeline.prepare(Path("none", "dense@9", "none", "edge"), DIALOGUE, ask)


def test_a_missing_reranker_is_found_at_the_start(documents: Documents, encoder: Encoder) -> None:
    build_index(documents, encoder)
    stages = Stages(retrieve=("bm25",), refine=("rerank",))
    with pytest.raises(ConfigurationError, match=r"stages\.reranker is empty"):
        Pipeline(config(stages, documents), open_index(documents.index, encoder), encoder)


def test_an_option_that_no_stage_has() -> None:
    with pytest.raises(ConfigurationError, match=r"preprocess has no option 'rewite' .did you mean 'rewrite'"):
        PREPROCESSORS["rewite"]
    with pytest.raises(ConfigurationError, match="'bm25@0': write a positive number after the @"):
        split_option("bm25@0")


def test_retrieval_without_documents_is_refused(encoder: Encoder) -> None:
    with pytest.raises(ConfigurationError, match=r"'hybrid@5', but there are no documents; set documents\.folder"):
        Pipeline(config(Stages(retrieve=("none", "hybrid@5"))), None, encoder)


@pytest.mark.models
async def test_it_opens_what_the_configuration_names(documents: Documents) -> None:
    from cluster.encoder import open_encoder

    with pytest.raises(ConfigurationError, match="There is no index"):
        Pipeline.open(config(STAGES, documents))
    build_index(documents, open_encoder())
    pipeline = Pipeline.open(config(STAGES, documents))
    dialogue: list[Message] = [{"role": "user", "content": "Why does my washing machine show E4?"}]
    prompt = await pipeline.prepare(Path("none", "hybrid@2", "none", "edge"), dialogue, ask)
    assert prompt.passages[0].source == "codes.jsonl#e4"
    pipeline.close()


async def test_a_path_without_preprocessing_runs_where_only_rewriting_is_configured(
    documents: Documents, encoder: Encoder
) -> None:
    build_index(documents, encoder)
    stages = Stages(preprocess=("rewrite",), retrieve=("bm25@1",))
    pipeline = Pipeline(config(stages, documents), open_index(documents.index, encoder), encoder)
    prompt = await pipeline.prepare(Path("none", "bm25@1", "none", "edge"), DIALOGUE, ask)
    pipeline.close()
    assert len(prompt.passages) == 1


async def test_other_work_takes_turns_with_many_embeddings(pipeline: Pipeline) -> None:
    embedding = asyncio.create_task(pipeline.embed(["a lamp that flickers"] * 300))
    await asyncio.sleep(0)
    await pipeline.prepare(Path("none", "bm25@1", "none", "edge"), DIALOGUE, ask)
    assert not embedding.done()
    assert (await embedding).shape == (300, pipeline.encoder.dimension)
