import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.index.chunks import Section, chunks, cut

TEXTS = st.text(st.sampled_from("ab. \n!?灯。\u00e9x"), max_size=400) | st.text(max_size=300)


def letters(text: str) -> str:
    return re.sub(r"\s+", "", text)


def words(text: str) -> int:
    return len(text.split())


@given(TEXTS, st.integers(1, 30))
def test_nothing_is_lost_and_no_piece_is_too_long(text: str, limit: int) -> None:
    pieces = list(cut(text, limit))
    assert letters("".join(pieces)) == letters(text)
    assert all(piece and piece == piece.strip() and words(piece) <= limit for piece in pieces)


@given(TEXTS)
def test_a_short_text_stays_whole(text: str) -> None:
    assert list(cut(text, 1000)) == ([text.strip()] if text.strip() else [])


def test_pieces_end_with_a_sentence_and_are_about_equally_long() -> None:
    text = " ".join(f"Sentence number {number} has six words." for number in range(22))
    pieces = list(cut(text, 60))
    assert [words(piece) for piece in pieces] == [48, 48, 36]
    assert all(piece.endswith(".") for piece in pieces)


def test_signs_of_a_script_without_spaces_count_as_words() -> None:
    assert [len(piece) for piece in cut("灯がつ。" * 30, 40)] == [40, 40, 40]


def test_a_run_without_spaces_is_cut_too() -> None:
    assert max(map(len, cut("x" * 10_000, 10))) == 400


@pytest.mark.parametrize("headed", [True, False])
def test_a_heading_is_read_with_each_of_its_passages(headed: bool) -> None:
    section = Section("guide.md", "Guide > Pairing", "One two three. Four five six.", headed)
    made = list(chunks(section, 3, 3))
    assert [chunk.passage_id for chunk in made] == ["guide.md:3", "guide.md:4"]
    assert [chunk.text.startswith("Guide > Pairing\n") for chunk in made] == [headed, headed]
    assert [chunk.searchable for chunk in made] == ["Guide > Pairing\nOne two three.", "Guide > Pairing\nFour five six."]
