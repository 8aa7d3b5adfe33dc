"""C2 to C4 hold for every policy whatever happens, and CS-UCB refuses only what it must."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.schedule import SCHEDULERS, make_scheduler
from policies.schedule.board import Board
from policies.schedule.types import Arrivals, Measured
from tests.unit.schedule.fleet import server

SERVICES = 3
CONSTRAINED = [name for name in SCHEDULERS if name.startswith("cs_ucb")]

servers = st.lists(
    st.fixed_dictionaries(
        {
            "cloud": st.booleans(),
            "slots": st.integers(0, 3),
            "queue": st.integers(0, 2),
            "replicas": st.integers(0, 2),
            "step_s": st.floats(1e-3, 1.0),
            "bits_per_s": st.sampled_from([0.0, 1e3, 1e6, 1e8]),
        }
    ),
    min_size=1,
    max_size=5,
)
requests = st.tuples(
    st.integers(0, SERVICES - 1),
    st.integers(-1, 0),
    st.floats(1e-3, 20),
    st.floats(1, 5000),
    st.floats(1, 500),
    st.sampled_from([0.0, 1e3, 1e6, 1e9]),
)
answers = st.tuples(
    st.sampled_from(["answer", "again", "unknown", "never", "sent", "started"]),
    st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    st.one_of(st.none(), st.integers(-5, 1000)),
    st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    st.integers(0, 50),
)
moves = st.one_of(st.none(), st.tuples(st.sampled_from(["leave", "join", "come"]), st.integers(0, 4)))
steps = st.lists(
    st.tuples(st.floats(-5, 60), st.lists(requests, max_size=6), st.lists(answers, max_size=4), moves), min_size=1, max_size=8
)


def slot(rows: list[tuple[Any, ...]]) -> Arrivals:
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    kinds = (np.int64, np.int64, float, float, float, float)
    return Arrivals(*(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)))


@pytest.mark.parametrize("name", sorted(SCHEDULERS))
@settings(max_examples=25)
@given(fleet=servers, plan=steps, seed=st.integers(0, 3))
def test_no_policy_breaks_a_constraint(name: str, fleet: list[dict[str, Any]], plan: list[Any], seed: int) -> None:
    profiles = [server(f"s{i}", **changes) for i, changes in enumerate(fleet)]
    board = Board(profiles)
    scheduler = make_scheduler(name, board, SERVICES, np.random.default_rng(seed))
    now, placed = 0.0, []
    for passed, rows, feedback, move in plan:
        now += passed  # may go back
        batch = slot(rows)
        before = board.outstanding.copy()
        tickets = [ticket for ticket in scheduler.decide(batch, now) if ticket is not None]
        taken = np.bincount([ticket.server for ticket in tickets], minlength=len(board))
        assert (board.outstanding == before + taken).all()
        assert (board.outstanding[taken > 0] <= board.capacity[taken > 0]).all(), "C2"
        assert board.up[taken > 0].all()
        assert len({ticket.number for ticket in tickets}) == len(tickets) <= len(batch), "C4"
        if name in CONSTRAINED:
            assert (board.reserved_bits_per_s[taken > 0] <= board.bandwidth[taken > 0] * (1 + 1e-9)).all(), "C3"
        placed += [ticket.number for ticket in tickets]
        for kind, latency, energy, tokens, sending, which in feedback:
            number = placed[which % len(placed)] if placed and kind != "unknown" else 10_000 + which
            if kind == "sent":
                board.sent(number)
            elif kind == "started":
                board.started(number)
            elif kind != "never":
                known = number in board.tickets
                assert (scheduler.observe(Measured(number, latency, energy, tokens, sending), now) is not None) == known
                if kind == "again":
                    assert scheduler.observe(Measured(number, latency), now) is None
        if move is not None:
            kind, which = move
            if kind == "leave":
                board.leave(f"s{which}")
            else:
                board.join(profiles[which % len(profiles)] if kind == "join" else server(f"new{which}"))
        scheduler.sweep(now)
        board.check()


@pytest.mark.parametrize("name", CONSTRAINED)
@settings(max_examples=25)
@given(rows=st.lists(requests, min_size=2, max_size=8), fleet=servers)
def test_a_slot_decides_as_the_same_requests_one_by_one_by_deadline(
    name: str, rows: list[Any], fleet: list[dict[str, Any]]
) -> None:
    profiles = [server(f"s{i}", **changes) for i, changes in enumerate(fleet)]
    together, alone = Board(profiles), Board(profiles)
    # One class each, because a class's typical request is that of its slot.
    rows = [(0, -1, row[2], 100.0, 50.0, row[5]) for row in rows]
    first = make_scheduler(name, together, SERVICES, np.random.default_rng(0)).decide(slot(rows), 0.0)
    second = make_scheduler(name, alone, SERVICES, np.random.default_rng(0))
    for k in np.argsort([row[2] for row in rows], kind="stable"):
        (ticket,) = second.decide(slot([rows[k]]), 0.0)
        expected = first[k]
        assert (ticket and ticket.server) == (expected and expected.server)
