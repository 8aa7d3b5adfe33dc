"""When a split model asks its cloud, and how much it drafts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.split.backoff import Backoff
from policies.split.line import Line
from policies.split.mode import Kind, Mode
from policies.split.pace import Mean, Pace

SHARES = st.floats(0, 1)
SECONDS = st.floats(1e-4, 10)


def pace(
    round_trip: float = 0.0, position: float = 0.0, token: float = 0.0, length: float | None = None, fixed: float = 0.0
) -> Pace:
    """Of a cloud that takes `fixed` for a pass and `position` for each position in it."""
    cloud = Line()
    for positions in (1, 100):
        cloud.note(positions, fixed + positions * position)
    return Pace(Mean(round_trip), cloud, Mean(token), Mean(length))


@given(SHARES)
def test_at_one_no_exit_is_believed(confidence: float) -> None:
    assert not Mode(Kind.COLLABORATIVE, 1.0).believes(confidence)


@given(SHARES, st.floats(0, 1, exclude_max=True))
def test_below_one_an_exit_is_believed_from_its_threshold_on(confidence: float, threshold: float) -> None:
    assert Mode(Kind.STANDALONE, threshold).believes(confidence) == (confidence >= threshold)


def test_modes_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match=r"a threshold is a probability, not 1\.5"):
        Mode(Kind.COLLABORATIVE, 1.5)
    with pytest.raises(ValueError, match="at least one draft, not 0"):
        Mode(Kind.VERIFIED, 0.8)


def test_only_standalone_does_without_the_cloud() -> None:
    assert [kind for kind in Kind if not Mode(kind, 0.5, 1).asks] == [Kind.STANDALONE]


@given(st.lists(SECONDS, min_size=1, max_size=30))
def test_a_mean_stays_within_what_was_measured(measured: list[float]) -> None:
    mean = Mean()
    for seconds in measured:
        mean.note(seconds)
    assert min(measured) * 0.999 <= mean.known() <= max(measured) * 1.001
    assert mean.deviation <= max(measured)


def test_a_steady_link_has_a_short_limit_and_an_unknown_one_a_long_one() -> None:
    steady = Pace()
    assert steady.limit_s(1) == 10
    for _ in range(50):
        steady.round_trip.note(2.0)
    assert steady.limit_s(0) == pytest.approx(2.0, rel=1e-3)
    steady.cloud.note(5, 0.5)
    assert steady.limit_s(10) == pytest.approx(2.0 + 4 * 10 * 0.1, rel=1e-3)
    assert pace(round_trip=0.003).limit_s(1) == 1.0
    assert pace(round_trip=0.003).late_s(0) == 0.003


@given(SECONDS, SECONDS, SECONDS, SECONDS, st.integers(1, 50), st.integers(1, 200))
def test_a_question_is_afforded_if_it_and_the_rest_of_the_answer_fit(
    round_trip: float, position: float, token: float, fixed: float, positions: int, tokens: int
) -> None:
    measured = pace(round_trip, position, token, fixed=fixed)
    takes_s = round_trip + fixed + positions * position + tokens * token
    assert measured.affords(None, tokens, positions)
    assert measured.affords(takes_s * 1.001, tokens, positions)
    assert not measured.affords(takes_s * 0.999, tokens, positions)


def test_the_rest_of_an_answer_is_as_long_as_answers_are() -> None:
    assert not pace(token=0.1).affords(2.0, 256, 1)
    assert pace(token=0.1, length=15).affords(2.0, 256, 1)
    assert pace(token=0.1, length=15).affords(0.6, 5, 1)


@given(st.lists(st.floats(0, 1), max_size=6), SHARES, SECONDS, st.floats(1e-4, 0.1), st.floats(1e-4, 0.1), st.floats(0, 0.1))
def test_drafting_goes_on_while_the_tokens_come_faster(
    chances: list[float], chance: float, round_trip: float, token: float, position: float, fixed: float
) -> None:
    def rate(drafts: list[float]) -> float:
        """Tokens per second of a round, by the definition: 1 + p1 + p1·p2 + …"""
        gained, chain = 1.0, 1.0
        for p in drafts:
            chain *= p
            gained += chain
        return gained / (round_trip + fixed + (1 + len(drafts)) * position + len(drafts) * token)

    faster = rate([*chances, chance]) / rate(chances)
    if abs(faster - 1) > 1e-9:
        assert pace(round_trip, position, token, fixed=fixed).drafts_on(chances, chance) == (faster > 1)


def test_a_far_cloud_is_worth_more_drafts_than_a_near_one() -> None:
    def drafts(round_trip: float) -> int:
        measured, chances = pace(round_trip, 0.001, 0.003), [0.8]
        while len(chances) < 50 and measured.drafts_on(chances, 0.8):
            chances.append(0.8)
        return len(chances)

    assert drafts(0.003) < drafts(0.02) < drafts(0.1)


def test_a_pass_of_the_cloud_is_worth_more_drafts_if_it_costs_the_same_whatever_is_in_it() -> None:
    assert not pace(0.003, 0.006, 0.003).drafts_on([], 0.98)
    assert pace(0.003, 0.0002, 0.003, fixed=0.0058).drafts_on([], 0.98)


@given(SECONDS, SECONDS, st.lists(st.integers(1, 500), min_size=1, max_size=30))
def test_a_line_is_found_from_points_on_it(fixed: float, each: float, pieces: list[int]) -> None:
    line = Line()
    for count in pieces:
        line.note(count, fixed + count * each)
    for count in pieces:
        assert line.at(count) == pytest.approx(fixed + count * each, rel=1e-6)
    if max(pieces) - min(pieces) > 5:
        assert line.each == pytest.approx(each, rel=1e-4, abs=1e-6)


@given(st.lists(st.tuples(st.integers(1, 500), SECONDS), min_size=1, max_size=30))
def test_neither_part_of_a_line_is_negative(measured: list[tuple[int, float]]) -> None:
    line = Line()
    for pieces, seconds in measured:
        line.note(pieces, seconds)
    assert line.each >= 0
    assert line.at(0) >= -1e-9
    if len({pieces for pieces, _ in measured}) == 1:
        assert line.at(0) == pytest.approx(0, abs=1e-9)


def test_pauses_double_up_to_half_a_minute_and_end_with_an_answer() -> None:
    backoff = Backoff()
    assert backoff.allows(0.0)
    pauses = []
    for _ in range(9):
        backoff.failed(100.0)
        pauses.append(backoff.until - 100)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert not backoff.allows(129.0)
    assert backoff.allows(130.0)
    backoff.succeeded()
    assert backoff.allows(0.0)
    backoff.failed(0.0)
    assert backoff.until == 0.5


def test_names_of_modes() -> None:
    assert Mode.parse("standalone", 0.7) == Mode(Kind.STANDALONE, 0.7)
    assert Mode.parse("0.9", 0.7) == Mode(Kind.COLLABORATIVE, 0.9)
    assert Mode.parse("verified@12", 0.7) == Mode(Kind.VERIFIED, 0.7, 12)
    for name in ("", "fast", "verified", "verified@", "verified@x", "standalone@1", "0.8@1"):
        with pytest.raises(ValueError, match="is no way to answer"):
            Mode.parse(name, 0.7)
