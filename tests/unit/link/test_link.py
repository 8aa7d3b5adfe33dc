"""The emulated link on a clock that the test moves."""

import asyncio
import heapq
from collections.abc import Awaitable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.config import Link
from cluster.link import Direction, EmulatedLink


class Time:
    """A clock that jumps to the next sleeper's end once everybody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        heapq.heappush(self._sleepers, (self.now + seconds, len(self._sleepers), event))
        await event.wait()

    async def run(self, *work: Awaitable[object]) -> None:
        tasks = [asyncio.ensure_future(w) for w in work]
        while not all(task.done() for task in tasks):
            for _ in range(10):
                await asyncio.sleep(0)
            if self._sleepers:
                self.now, _, event = heapq.heappop(self._sleepers)
                event.set()


def crossings(link: Link, transfers: list[tuple[int, Direction]]) -> list[float]:
    """Seconds after which each of the transfers arrives, all started at once in this order."""
    clock, arrived = Time(), [0.0] * len(transfers)
    emulated = EmulatedLink(link, clock, clock.sleep)

    async def cross(number: int) -> None:
        took = await emulated.cross(*transfers[number])
        arrived[number] = clock.now - 100.0
        assert took == pytest.approx(arrived[number])

    asyncio.run(clock.run(*(cross(number) for number in range(len(transfers)))))
    return arrived


def test_half_a_round_trip_and_serialisation() -> None:
    assert crossings(Link(rtt_s=0.04, mbps=8), [(1_000_000, "up")]) == pytest.approx([1.02])


def test_no_bandwidth_given_is_unlimited() -> None:
    assert crossings(Link(rtt_s=0.1), [(10**9, "up")]) == pytest.approx([0.05])


def test_one_direction_is_shared_the_other_is_not() -> None:
    transfers: list[tuple[int, Direction]] = [(1_000_000, "up"), (1_000_000, "up"), (1_000_000, "down")]
    assert crossings(Link(rtt_s=0.2, mbps=8), transfers) == pytest.approx([1.1, 2.1, 1.1])


@given(sizes=st.lists(st.integers(0, 10**7), min_size=1, max_size=6), mbps=st.floats(0.1, 1000), rtt_s=st.floats(0, 1))
def test_nothing_is_faster_than_the_bandwidth(sizes: list[int], mbps: float, rtt_s: float) -> None:
    arrived = crossings(Link(rtt_s=rtt_s, mbps=mbps), [(size, "up") for size in sizes])
    total = 0.0
    for size, time in zip(sizes, arrived, strict=True):
        total += 8 * size / (mbps * 1e6)
        assert time == pytest.approx(total + rtt_s / 2, rel=1e-6, abs=1e-6)


def test_the_trace_runs_while_nothing_crosses(tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text("0 8\n1 4\n2 4\n")
    clock = Time()
    link = EmulatedLink(Link(trace=file), clock, clock.sleep)
    clock.now += 1.0  # half of the period has passed: the slow half
    asyncio.run(clock.run(link.cross(500_000)))
    assert clock.now == pytest.approx(102.0)


def test_describe(tmp_path: Path) -> None:
    file = tmp_path / "bus.log"
    file.write_text("0 1\n1 2\n2 0\n")
    assert EmulatedLink(Link(rtt_s=0.04, mbps=100)).describe() == "emulated: 40 ms round trip, 100 Mbit/s"
    assert EmulatedLink(Link(rtt_s=0.04)).describe() == "emulated: 40 ms round trip, unlimited bandwidth"
    assert EmulatedLink(Link(trace=file)).describe() == "emulated: 0 ms round trip, trace bus.log (mean 1.5 Mbit/s)"
