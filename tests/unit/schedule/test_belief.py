"""What is believed of a server that was not asked lately, or never."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.schedule.arms import Lesson
from policies.schedule.belief import MAX_ENERGY, LongRun
from policies.schedule.board import Board
from policies.schedule.csucb import CsUcb
from policies.schedule.forecast import MAX_RATIO
from policies.schedule.types import Measured, Ticket
from policies.types import OnInfeasible
from tests.unit.schedule.fleet import arrivals, server


def lesson(server: int, ratio: float, **rest: float) -> Lesson:
    return Lesson(0, server, True, ratio, **rest)


def place(scheduler: CsUcb, now: float, **changes: float) -> Ticket:
    ticket = scheduler.decide(arrivals(**changes), now)[0]
    assert ticket is not None
    return ticket


def make(servers: int = 2) -> CsUcb:
    board = Board([server(f"s{i}") for i in range(servers)])
    return CsUcb(board, 2, np.random.default_rng(0), on_infeasible=OnInfeasible.BEST_EFFORT)


def test_without_lessons_the_profile_is_believed() -> None:
    belief = LongRun(2, 3).belief()
    assert np.all(belief.ratio == 1.0)
    assert np.all(belief.energy == 1.0)
    assert belief.length.shape == (2, 1)


def test_a_server_never_asked_is_believed_to_be_like_the_others() -> None:
    run = LongRun(1, 2)
    for _ in range(100):
        run.take(lesson(0, 0.1))
    ratio = run.belief().ratio[0]
    assert ratio[1] == pytest.approx(ratio[0], rel=0.2)
    assert ratio[1] < 0.15


def test_a_slower_server_is_told_from_the_others() -> None:
    run = LongRun(1, 2)
    for _ in range(100):
        run.take(lesson(0, 1.0))
        run.take(lesson(1, 3.0))
    assert run.belief().ratio[0] == pytest.approx([1.0, 3.0], rel=0.1)


def test_requests_that_failed_teach_nothing_in_the_long_run() -> None:
    run = LongRun(1, 1)
    run.take(Lesson(0, 0, False, 20.0))
    assert run.belief().ratio[0, 0] == 1.0


def test_the_forecast_returns_to_the_belief_when_a_server_has_been_silent() -> None:
    run = LongRun(2, 2)
    for _ in range(300):
        run.take(lesson(0, 0.2, length=0.5))
    scheduler = make()
    scheduler.believe(run.belief())
    first = place(scheduler, 0.0)
    scheduler.observe(Measured(first.number, 10 * first.expected_s, 1.0, 50), 1.0)
    others = [place(scheduler, second, limit_s=4.0) for second in (2.0, 3600.0)]
    assert others[1].slack > 0.8
    assert others[1].expected_s == pytest.approx(others[0].expected_s, rel=0.5)


def test_measured_joules_decide_between_servers_of_one_profile() -> None:
    run = LongRun(2, 2)
    for _ in range(50):
        run.take(lesson(0, 1.0, energy=4.0))
        run.take(lesson(1, 1.0, energy=0.5))
    scheduler = make()
    scheduler.believe(run.belief())
    assert place(scheduler, 0.0).server == 1


def test_a_belief_is_dropped_when_other_servers_come() -> None:
    scheduler = make()
    scheduler.believe(LongRun(2, 2).belief())
    scheduler.board.join(server("new"))
    place(scheduler, 0.0)
    assert scheduler.forecast.belief is None


@given(
    st.lists(
        st.builds(
            Lesson,
            st.integers(0, 1),
            st.integers(0, 2),
            st.booleans(),
            st.none() | st.floats(0, MAX_RATIO),
            st.none() | st.floats(0, 1),
            st.none(),
            st.none() | st.floats(0, 1e300),
        ),
        max_size=30,
    )
)
def test_a_belief_stays_within_what_was_measured_and_survives_a_restart(lessons: list[Lesson]) -> None:
    run = LongRun(2, 3)
    for one in lessons:
        run.take(one)
    belief = run.belief()
    assert np.all((belief.ratio >= 0) & (belief.ratio <= MAX_RATIO))
    assert np.all(belief.square >= belief.ratio**2)
    assert np.all((belief.length >= 0) & (belief.length <= 1))
    assert np.all((belief.energy >= 0) & (belief.energy <= MAX_ENERGY))
    again = LongRun(2, 3)
    for i, column in enumerate(run.columns()):
        again.restore(i, column)
    again.restore_lengths(run.lengths())
    for field in dataclasses.fields(belief):
        assert np.array_equal(getattr(again.belief(), field.name), getattr(belief, field.name))


@pytest.mark.parametrize("column", [[], [[1.0]] * 6, [[1.0, np.nan]] * 6, [[1.0, -1.0]] * 6])
def test_a_wrong_column_is_refused(column: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        LongRun(2, 1).restore(0, column)
