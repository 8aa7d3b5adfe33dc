from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.config import Documents
from cluster.encoder import Encoder
from cluster.index import Index, build_index, open_index
from deployments.messages import Passage
from deployments.retrieve import RETRIEVERS, fuse, reciprocal_rank_fusion
from policies.errors import ConfigurationError

RANKINGS = st.lists(st.lists(st.integers(0, 30), unique=True, max_size=20), min_size=1, max_size=5)
ODD = ("", " ", "?!", "\x00", "the of and", "什么灯", "🙂", "\u0644\u0645\u0628\u0629", "lamp " * 5000, "SELECT * FROM x; --")


@pytest.fixture
def index(documents: Documents, encoder: Encoder) -> Index:
    build_index(documents, encoder)
    return open_index(documents.index, encoder)


def passage(name: str, score: float = 1.0) -> Passage:
    return Passage(name, "title", "text", score, "source")


@pytest.mark.parametrize("option", ["bm25", "dense", "hybrid"])
def test_the_passage_that_says_it_comes_first(option: str, index: Index, encoder: Encoder) -> None:
    retriever = RETRIEVERS[option](index, encoder)
    filters, ovens = retriever.search(["Is the filter of the washer blocked?", "Wipe the oven with a cloth"], 2)
    assert filters[0].source == "codes.jsonl#e4"
    assert ovens[0].source == "manuals/oven.html"
    assert ovens[0].text == "Oven > Cleaning\nWipe the oven with a damp cloth."
    assert (ovens[0].title, ovens[0].passage_id) == ("Oven > Cleaning", "manuals/oven.html:0")


@pytest.mark.parametrize("option", ["bm25", "dense", "hybrid"])
@pytest.mark.parametrize("k", [1, 3, 1000])
def test_odd_questions_never_raise_and_nothing_comes_twice(option: str, k: int, index: Index, encoder: Encoder) -> None:
    rankings = RETRIEVERS[option](index, encoder).search(ODD, k)
    assert len(rankings) == len(ODD)
    for ranking in rankings:
        names = [found.passage_id for found in ranking]
        scores = [found.score for found in ranking]
        assert len(set(names)) == len(names) <= k
        assert scores == sorted(scores, reverse=True)


def test_no_word_in_common_finds_nothing_by_words_but_something_by_vectors(index: Index, encoder: Encoder) -> None:
    assert RETRIEVERS["bm25"](index, encoder).search(["zebra"], 3) == [[]]
    assert len(RETRIEVERS["dense"](index, encoder).search(["zebra"], 3)[0]) == 3
    assert len(RETRIEVERS["hybrid"](index, encoder).search(["zebra"], 3)[0]) == 3


def test_hybrid_is_the_fusion_of_the_two(index: Index, encoder: Encoder) -> None:
    question = ["Which filter of the washer is in the hall?"]
    bm25, dense = (RETRIEVERS[option](index, encoder).search(question, 50)[0] for option in ("bm25", "dense"))
    hybrid = RETRIEVERS["hybrid"](index, encoder).search(question, 50)[0]
    assert {found.passage_id for found in hybrid} == {found.passage_id for found in (*bm25, *dense)}
    places = [{found.passage_id: place for place, found in enumerate(ranking)} for ranking in (bm25, dense)]
    for better, worse in combinations([found.passage_id for found in hybrid], 2):
        assert any(places_of.get(better, 99) <= places_of.get(worse, 99) for places_of in places)


def test_documents_without_words_can_be_searched(documents: Documents, encoder: Encoder) -> None:
    for file in list(documents.folder.rglob("*.*")):
        file.unlink()
    (documents.folder / "dots.md").write_text("...")
    build_index(documents, encoder)
    index = open_index(documents.index, encoder)
    assert RETRIEVERS["bm25"](index, encoder).search(["", "dots"], 3)[0] == []


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"'hybrd' .did you mean 'hybrid'"):
        RETRIEVERS["hybrd"]


def test_fusion_by_hand() -> None:
    assert reciprocal_rank_fusion([["a", "b", "c"], ["c", "a"]]) == [
        ("a", pytest.approx(1 / 61 + 1 / 62)),
        ("c", pytest.approx(1 / 63 + 1 / 61)),
        ("b", pytest.approx(1 / 62)),
    ]


def test_fusion_with_weights_by_hand() -> None:
    assert reciprocal_rank_fusion([["a", "b"], ["b", "c"]], weights=(1.0, 0.5), constant=2) == [
        ("b", pytest.approx(1 / 4 + 0.5 / 3)),
        ("a", pytest.approx(1 / 3)),
        ("c", pytest.approx(0.5 / 4)),
    ]


@given(RANKINGS)
def test_fusion_loses_nothing_and_is_in_order(rankings: list[list[int]]) -> None:
    fused = reciprocal_rank_fusion(rankings)
    assert {item for item, _ in fused} == {item for ranking in rankings for item in ranking}
    scores = [score for _, score in fused]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= len(rankings) / 61 + 1e-12 for score in scores)


@given(RANKINGS.filter(lambda rankings: len(rankings[0]) > 1))
def test_what_every_ranking_prefers_is_preferred(rankings: list[list[int]]) -> None:
    first, second = rankings[0][:2]
    agreeing = [[first, second, *(item for item in ranking if item not in (first, second))] for ranking in rankings]
    assert reciprocal_rank_fusion(agreeing)[0][0] == first
    assert reciprocal_rank_fusion([agreeing[0]] * 3)[1][0] == second


@given(st.lists(st.integers(0, 30), unique=True, max_size=20))
def test_agreeing_rankings_keep_their_order(ranking: list[int]) -> None:
    assert [item for item, _ in reciprocal_rank_fusion([ranking, ranking])] == ranking


def test_a_single_ranking_keeps_its_scores() -> None:
    ranking = [passage("a", 7.0), passage("b", 3.0), passage("c", 1.0)]
    assert fuse([ranking], 2) == ranking[:2]


def test_several_rankings_are_scored_anew() -> None:
    a, b, c = passage("a", 7.0), passage("b", 3.0), passage("c", 9.0)
    fused = fuse([[a, b], [b, c]], 2)
    assert [found.passage_id for found in fused] == ["b", "a"]
    assert fused[0].score == pytest.approx(1 / 62 + 1 / 61)
