"""CS-UCB: constraints, feedback, servers that come and go."""

from __future__ import annotations

import numpy as np
import pytest

from policies.schedule import csucb
from policies.schedule.board import Board
from policies.schedule.csucb import CsUcb
from policies.schedule.types import Measured, Ticket
from policies.types import OnInfeasible
from tests.unit.schedule.fleet import arrivals, server


def make(*servers, **options) -> CsUcb:
    return CsUcb(Board(servers), 2, np.random.default_rng(0), **options)


def place(scheduler: CsUcb, now: float = 0.0, **changes) -> Ticket | None:
    return scheduler.decide(arrivals(**changes), now)[0]


def answer(scheduler: CsUcb, ticket: Ticket, latency: float | None, now: float, energy: float = 50.0) -> None:
    scheduler.observe(Measured(ticket.number, latency, energy, 50, 0.001), now)


def disappoint(scheduler: CsUcb, now: float) -> None:
    """A request that server 0 answers late, and any other in time."""
    ticket = place(scheduler, now)
    answer(scheduler, ticket, 1.2 if ticket.server else None, now + 0.5)


def test_the_least_energy_wins_among_servers_that_keep_the_limit() -> None:
    scheduler = make(server("hungry", busy_w=400, peak_w=500), server("frugal", busy_w=20, peak_w=25))
    assert place(scheduler).server == 1


def test_a_tight_limit_goes_to_the_fast_server_whatever_its_energy() -> None:
    scheduler = make(server("hungry", busy_w=400, peak_w=500, step_s=0.005), server("frugal", busy_w=20, peak_w=25, step_s=0.06))
    assert place(scheduler, limit_s=1.0).server == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"slots": 0, "queue": 0},
        {"replicas": 0},
        {"bits_per_s": 0.0},
        {"step_s": 10.0},
    ],
    ids=["no capacity", "no replica", "dead link", "too slow"],
)
def test_what_no_server_can_do_is_refused(changes: dict[str, float]) -> None:
    assert place(make(server("only", **changes))) is None


def test_best_effort_takes_the_least_violation_but_never_a_full_server() -> None:
    scheduler = make(
        server("slow", step_s=1.0),
        server("slower", step_s=2.0),
        server("full", slots=0, queue=0),
        on_infeasible=OnInfeasible.BEST_EFFORT,
    )
    assert place(scheduler, limit_s=1.0).server == 0


def test_nothing_is_placed_on_an_empty_board() -> None:
    assert place(make(), origin=-1) is None


def test_several_arrivals_see_what_the_last_reserved_and_the_most_urgent_is_first() -> None:
    scheduler = make(server("one", slots=1, queue=0), server("other", slots=1, queue=0))
    first, second, third = scheduler.decide(arrivals(3, limit_s=[5.0, 4.0, 3.0]), 0.0)
    assert first is None
    assert {second.server, third.server} == {0, 1}


def test_bandwidth_is_reserved_until_the_request_has_left() -> None:
    scheduler = make(server("only", slots=99, bits_per_s=1e6))
    # 0.4 Mbit within a quarter of 4 s are 0.4 Mbit/s of 1.
    tickets = [place(scheduler, bits=0.4e6, limit_s=4.0) for _ in range(3)]
    assert [ticket is not None for ticket in tickets] == [True, True, False]
    scheduler.board.sent(tickets[0].number)
    assert place(scheduler, bits=0.4e6, limit_s=4.0) is not None
    assert place(scheduler, bits=0.4e6, limit_s=4.0) is None


def test_measured_slowness_moves_requests_away_and_age_gives_another_chance() -> None:
    scheduler = make(server("a", busy_w=20, peak_w=25), server("b", busy_w=40, peak_w=50))
    assert place(scheduler).server == 0
    for i in range(6):
        disappoint(scheduler, float(i))
    assert place(scheduler, 6.0).server == 1
    assert place(scheduler, 600.0).server == 0


def test_a_server_that_stopped_answering_loses_its_requests() -> None:
    scheduler = make(server("silent", busy_w=20, peak_w=25), server("b", busy_w=40, peak_w=50))
    for i in range(4):
        ticket = place(scheduler, float(i))
        if ticket.server == 1:
            answer(scheduler, ticket, 1.2, i + 0.5)
    assert scheduler.board.outstanding[0] > 0
    scheduler.sweep(20.0)
    assert scheduler.board.outstanding[0] == 0
    assert place(scheduler, 20.0).server == 1


def test_outcomes_may_come_late_twice_out_of_order_or_never() -> None:
    scheduler = make(server("a"), server("b"))
    tickets = [place(scheduler, 0.1 * i) for i in range(5)]
    answer(scheduler, tickets[3], 1.0, 2.0)
    answer(scheduler, tickets[0], 1.0, 1.5)  # an earlier clock
    assert scheduler.observe(Measured(tickets[3].number, 0.1), 3.0) is None
    assert scheduler.observe(Measured(999, 0.1), 3.0) is None
    assert scheduler.board.outstanding.sum() == 3
    scheduler.board.check()


def test_an_outcome_of_a_server_that_left_does_not_speak_for_the_one_that_took_its_index() -> None:
    scheduler = make(server("old", busy_w=20, peak_w=25), server("b", busy_w=40, peak_w=50))
    for i in range(5):
        disappoint(scheduler, float(i))
    assert place(scheduler, 5.0).server == 1
    scheduler.board.leave("old")
    assert scheduler.board.join(server("new", busy_w=20, peak_w=25)) == 0
    assert place(scheduler, 5.0).server == 0


def test_a_server_that_joins_is_used() -> None:
    scheduler = make(server("a", step_s=0.05))
    place(scheduler)
    index = scheduler.board.join(server("fast", step_s=0.005, busy_w=20, peak_w=25))
    assert place(scheduler).server == index


def test_a_lost_bandwidth_is_seen_in_the_measured_sending_times() -> None:
    scheduler = make(server("a", bits_per_s=1e8))
    for i in range(20):
        ticket = place(scheduler, float(i), bits=4e6)
        scheduler.observe(Measured(ticket.number, 2.0, 50.0, 50, 0.2), i + 0.9)
    place(scheduler, 21.0, bits=4e6)
    assert scheduler.board.bandwidth[0] == pytest.approx(2e7, rel=0.1)


def test_impossible_measurements_change_nothing() -> None:
    one, other = make(server("a"), server("b", busy_w=40)), make(server("a"), server("b", busy_w=40))
    for scheduler, energy, latency in ((one, float("nan"), float("nan")), (other, None, float("inf"))):
        ticket = place(scheduler)
        scheduler.observe(Measured(ticket.number, latency, energy, -3, -1.0), 1.0)
        follow = place(scheduler, 2.0)
        assert follow.expected_s == ticket.expected_s
        assert follow.network_s == ticket.network_s


def test_a_small_slot_is_decided_as_a_large_one_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers one by one, and all at once as matrices."""
    told = []
    for few in (0, 10):
        monkeypatch.setattr(csucb, "FEW", few)
        rng = np.random.default_rng(5)
        scheduler = make(*(server(f"s{i}", step_s=0.01 * (i + 1), busy_w=90.0 - 20 * i, slots=1 + i) for i in range(4)))
        for step in range(60):
            now = 0.3 * step
            ticket = place(scheduler, now, limit_s=rng.uniform(0.5, 4), prompt_tokens=rng.uniform(10, 900), origin=step % 4)
            latency, gone = rng.uniform(0.1, 3), rng.uniform() < 0.3
            told.append(ticket and (ticket.server, ticket.slack, ticket.index, ticket.expected_s))
            if ticket is not None and not gone:
                answer(scheduler, ticket, latency, now + 0.1)
    half = len(told) // 2
    assert [t and t[0] for t in told[:half]] == [t and t[0] for t in told[half:]]
    assert [t for t in told[:half] if t] == [pytest.approx(t) for t in told[half:] if t]
    assert len({t[0] for t in told if t}) > 1
