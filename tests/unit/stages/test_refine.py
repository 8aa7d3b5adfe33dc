from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.config import Documents, Stages
from cluster.encoder import Encoder, FloatArray
from cluster.index import Index, build_index, open_index
from deployments.messages import Passage
from deployments.refine import REFINERS, maximal_marginal_relevance
from deployments.refine.compress import Compress, sentences
from deployments.retrieve import RETRIEVERS
from policies.errors import ConfigurationError


def unit(vectors: FloatArray) -> FloatArray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.fixture
def index(documents: Documents, encoder: Encoder) -> Index:
    build_index(documents, encoder)
    return open_index(documents.index, encoder)


def test_mmr_prefers_the_new_to_the_same_again() -> None:
    relevance = np.asarray([1.0, 0.99, 0.9, 0.0], dtype=np.float32)
    vectors = unit(np.asarray([[1, 0.30, 0], [1, 0.31, 0], [1, -0.75, 0.2], [0, 0, 1]], dtype=np.float32))
    assert maximal_marginal_relevance(relevance, vectors, 3) == [0, 2, 1]


@given(st.integers(1, 12), st.integers(1, 15), st.integers(0, 10_000))
def test_mmr_begins_with_the_most_relevant_and_repeats_nothing(n: int, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = unit(random.standard_normal((n, 8)).astype(np.float32))
    relevance = random.random(n, dtype=np.float32)
    chosen = maximal_marginal_relevance(relevance, vectors, k)
    assert len(chosen) == len(set(chosen)) == min(n, k)
    assert chosen[0] == int(relevance.argmax())
    assert maximal_marginal_relevance(relevance, vectors, 1) == chosen[:1]


@pytest.mark.parametrize("option", ["mmr", "compress"])
def test_a_subset_within_the_limit(option: str, index: Index, encoder: Encoder) -> None:
    found = RETRIEVERS["dense"](index, encoder).search(["the washer is blocked"], 6)[0]
    refined = REFINERS[option](Stages(), index, encoder).refine("the washer is blocked", found, 2)
    assert len(refined) == 2
    assert {passage.passage_id for passage in refined} <= {passage.passage_id for passage in found}
    assert refined[0].passage_id == found[0].passage_id


@pytest.mark.parametrize("option", ["mmr", "compress"])
def test_nothing_found_is_nothing_refined(option: str, index: Index, encoder: Encoder) -> None:
    assert REFINERS[option](Stages(), index, encoder).refine("anything", [], 5) == []


def test_compress_keeps_what_matters_in_its_order(index: Index, encoder: Encoder) -> None:
    text = "Blue whales sing. The lamp hangs in the hall.\nCats sleep. Hold the button of the lamp."
    passage = Passage("a:0", "a", text, 1.0, "a")
    (kept,) = REFINERS["compress"](Stages(), index, encoder).refine("the button of the lamp in the hall", [passage], 5)
    assert kept.text == "The lamp hangs in the hall.\nHold the button of the lamp."
    assert kept.passage_id == "a:0"


WORDS = st.lists(st.sampled_from(["lamp", "hall", "cat. ", "sleep! ", "\n", "灯", "", "a.b"]), max_size=30).map(" ".join)


@given(texts=st.lists(WORDS, max_size=5), question=WORDS)
def test_compress_keeps_at_least_one_sentence_of_each_passage(texts: list[str], question: str) -> None:
    class Flat(Encoder):
        """Likes longer texts more."""

        def encode(self, texts: list[str]) -> FloatArray:  # type: ignore[override]
            angles = np.asarray([len(text) / 100 for text in texts], dtype=np.float32)
            return np.stack([np.cos(angles), np.sin(angles)], axis=1)

        def count(self, texts: Sequence[str]) -> int:
            raise NotImplementedError

    passages = [Passage(f"a:{number}", "a", text, 1.0, "a") for number, text in enumerate(texts)]
    refined = Compress(Flat("flat", 2)).refine(question, passages, 4)
    assert len(refined) == min(4, len(passages))
    for before, after in zip(passages, refined, strict=False):
        parts, kept = ([part.strip() for part in sentences(passage.text)] for passage in (before, after))
        assert bool(kept) == bool(parts)
        rest = iter(parts)
        assert all(sentence in rest for sentence in kept)  # in the order of the text


def test_rerank_without_a_model_says_what_to_name(index: Index, encoder: Encoder) -> None:
    with pytest.raises(ConfigurationError, match=r"stages\.reranker is empty; name a cross-encoder"):
        REFINERS["rerank"](Stages(), index, encoder)


@pytest.mark.models
def test_rerank_with_a_folder_that_is_no_model(index: Index, encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a cross-encoder"):
        REFINERS["rerank"](Stages(reranker=str(tmp_path)), index, encoder)


@pytest.mark.models
def test_rerank_orders_by_the_score_of_the_model(index: Index, encoder: Encoder, cross_encoder: Path) -> None:
    from sentence_transformers import CrossEncoder

    question = "the washer is blocked"
    found = RETRIEVERS["dense"](index, encoder).search([question], 6)[0]
    refined = REFINERS["rerank"](Stages(reranker=str(cross_encoder)), index, encoder).refine(question, found, 4)
    model = CrossEncoder(str(cross_encoder), device="cpu")
    scores = model.predict([(question, passage.text) for passage in found], show_progress_bar=False)
    best = sorted(zip(scores.tolist(), [passage.passage_id for passage in found], strict=True), reverse=True)[:4]
    assert [passage.passage_id for passage in refined] == [name for _, name in best]
    assert [passage.score for passage in refined] == pytest.approx([score for score, _ in best], abs=1e-5)
