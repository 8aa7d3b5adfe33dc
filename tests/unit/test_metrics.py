"""The answer metrics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.metrics import exact_match, json_equal, normalise, token_f1


def test_normalisation_drops_case_articles_punctuation_and_spaces() -> None:
    assert normalise("  The Filter,\nis a worn-out part. ") == "filter is worn out part"


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [("48 kg", "48 kg.", 1.0), ("The TX-40", "TX 40", 1.0), ("48 kg", "49 kg", 0.0), ("", "", 1.0), ("", "48", 0.0)],
)
def test_exact_match(answer: str, reference: str, score: float) -> None:
    assert exact_match(answer, reference) == score


def test_f1_counts_repeated_words_once_each() -> None:
    assert token_f1("pump pump", "pump worn") == pytest.approx(0.5)
    assert token_f1("pump is worn", "pump is loose") == pytest.approx(2 / 3)
    assert token_f1("pump", "") == 0.0


def test_json_equality_ignores_layout_and_key_order_but_not_types() -> None:
    assert json_equal('{"a":1,"b":[true]}', '{ "b": [true], "a": 1 }') == 1.0
    assert json_equal('{"a": 1}', '{"a": true}') == 0.0
    assert json_equal("not stated.", '{"a": 1}') == 0.0


@given(st.text(), st.text())
def test_scores_lie_between_zero_and_one_and_agree(answer: str, reference: str) -> None:
    f1 = token_f1(answer, reference)
    assert 0.0 <= f1 <= 1.0
    assert token_f1(reference, answer) == pytest.approx(f1)
    assert exact_match(answer, reference) <= f1


@given(st.text())
def test_everything_matches_itself(text: str) -> None:
    assert exact_match(text, text) == token_f1(text, text) == 1.0
