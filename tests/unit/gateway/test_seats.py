"""Bounded places and a bounded queue."""

import asyncio

import pytest

from deployments.gateway.seats import Seats
from policies.errors import Overloaded


async def turns() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_waiting_callers_get_places_in_order() -> None:
    seats = Seats("x", places=1, queue=2)
    order: list[int] = []

    async def visit(number: int) -> None:
        await seats.enter()
        order.append(number)

    await seats.enter()
    tasks = [asyncio.create_task(visit(number)) for number in (1, 2)]
    await turns()
    assert (seats.taken, seats.waiting, order) == (1, 2, [])
    for expected in ([1], [1, 2]):
        seats.leave()
        await turns()
        assert order == expected
    seats.leave()
    assert (seats.taken, seats.waiting) == (0, 0)
    await asyncio.gather(*tasks)


async def test_a_full_queue_refuses_with_advice() -> None:
    seats = Seats("small@home", places=2, queue=1)
    for _ in range(60):
        seats.note(4.0)
    await seats.enter()
    await seats.enter()
    waiting = asyncio.create_task(seats.enter())
    await turns()
    with pytest.raises(Overloaded, match="small@home") as refused:
        await seats.enter()
    assert refused.value.retry_after_s == 4.0  # two rounds of two places at four seconds each
    seats.leave()
    await waiting


async def test_who_gives_up_waiting_takes_no_place() -> None:
    seats = Seats("x", places=1, queue=1)
    await seats.enter()
    waiting = asyncio.create_task(seats.enter())
    await turns()
    waiting.cancel()
    await turns()
    assert seats.waiting == 0
    seats.leave()
    assert seats.taken == 0


async def test_a_place_given_to_somebody_who_just_left_goes_on() -> None:
    seats = Seats("x", places=1, queue=2)
    await seats.enter()
    leaver, patient = asyncio.create_task(seats.enter()), asyncio.create_task(seats.enter())
    await turns()
    seats.leave()
    leaver.cancel()
    await turns()
    assert patient.done()
    assert (seats.taken, seats.waiting) == (1, 0)


async def test_a_place_that_becomes_free_as_somebody_gives_up_goes_to_the_next() -> None:
    seats = Seats("x", places=1, queue=2)
    await seats.enter()
    leaver, patient = asyncio.create_task(seats.enter()), asyncio.create_task(seats.enter())
    await turns()
    leaver.cancel()
    seats.leave()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    assert patient.done()
    assert (seats.taken, seats.waiting) == (1, 0)


async def test_without_a_queue_nobody_waits() -> None:
    seats = Seats("x", places=1, queue=0)
    await seats.enter()
    with pytest.raises(Overloaded):
        await seats.enter()
