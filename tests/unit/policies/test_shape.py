"""The form of a query is read the same way whatever its script."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from policies.shape import shape_of


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_ascii_is_counted_as_any_other_text(text: str) -> None:
    _, numbers, _, marks = shape_of(text)
    _, same_numbers, _, same_marks = shape_of(f"{text}é")  # a letter: neither a number nor a mark
    assert (numbers, marks) == (same_numbers, same_marks)
