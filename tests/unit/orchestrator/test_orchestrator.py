"""The orchestrator without Ray: what it tells gateways, what it keeps, and how it comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from cluster.orchestrator import actor
from cluster.orchestrator.actor import LEASE_S, SILENT_S, Orchestrator
from cluster.orchestrator.checkpoint import Checkpoint
from policies.experience import Batch, Experience, Served
from policies.scaling import Demand
from policies.schedule.arms import Lesson

SERVERS = {"small": ("small@a", "small@b")}


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def served(count: int, ratio: float = 3.0) -> list[Experience]:
    return [Served("small", Lesson(0, 1, True, ratio, 0.5, 0.6, 1.0))] * count


def batch(experiences: Sequence[Experience] = (), gateway: str = "g", first: int = 0, known: int = -1, **rest: object) -> Batch:
    return Batch(gateway, first, 0, tuple(experiences), known, **{"servers": SERVERS, **rest})  # type: ignore[arg-type]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/learned.db"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(actor, "EVERY_S", 0.01)
    return Clock()


@pytest.fixture
async def orchestrator(url: str, clock: Clock) -> AsyncIterator[Orchestrator]:
    orchestrator = Orchestrator(url, clock=clock, wall_clock=clock)
    await orchestrator.start()
    yield orchestrator
    await orchestrator.stop()


async def test_what_one_gateway_tells_the_other_learns(orchestrator: Orchestrator) -> None:
    first = await orchestrator.exchange(batch(served(40), "one"))
    assert (first.wanted, first.status.outcomes) == (40, 40)
    second = await orchestrator.exchange(batch((), "two"))
    assert second.learned is not None
    assert second.learned.fleets["small"].belief.ratio[0, 1] > 2.0
    again = await orchestrator.exchange(batch((), "two", known=second.learned.version))
    assert again.learned is None


async def test_an_experience_is_kept_until_it_is_on_disk(orchestrator: Orchestrator) -> None:
    assert (await orchestrator.exchange(batch(served(3)))).kept == 0
    assert (await orchestrator.exchange(batch(served(2), first=3), save=True)).kept == 5


async def test_it_saves_by_itself_and_comes_back(orchestrator: Orchestrator, url: str, clock: Clock) -> None:
    await orchestrator.exchange(batch(served(40)))
    while orchestrator.status().saved_version != 40:
        await actor.asyncio.sleep(0.01)
    clock.now += 1.0
    other = Orchestrator(url, clock=clock, wall_clock=clock)
    await other.start()
    status = other.status()
    assert (status.outcomes, status.restored_version, status.trouble) == (40, 40, None)
    reply = await other.exchange(batch(served(40)))
    assert (reply.wanted, reply.kept, reply.status.outcomes) == (40, 40, 40)
    await other.stop()


async def test_what_was_not_on_disk_is_asked_for_again(orchestrator: Orchestrator, url: str, clock: Clock) -> None:
    await orchestrator.exchange(batch(served(3)), save=True)
    other = Orchestrator(url, clock=clock, wall_clock=clock)
    await other.start()
    assert (await other.exchange(batch(served(2), first=7))).wanted == 3
    assert (await other.exchange(batch(served(6), first=3))).wanted == 9
    assert other.status().outcomes == 9
    await other.stop()


@pytest.mark.parametrize("version", ["from another time", float("inf")])
async def test_an_unusable_state_is_named_and_learning_begins_anew(url: str, clock: Clock, version: object) -> None:
    checkpoint = Checkpoint(url, clock)
    checkpoint.load()
    checkpoint.save({"version": version})
    orchestrator = Orchestrator(url, clock=clock, wall_clock=clock)
    await orchestrator.start()
    status = (await orchestrator.exchange(batch(served(1)), save=True)).status
    assert status.trouble is not None
    assert "cannot be understood" in status.trouble
    assert (status.outcomes, status.saved_version) == (1, 1)
    await orchestrator.stop()


async def test_while_the_database_is_away_it_learns_and_says_so(tmp_path: Path, clock: Clock) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    orchestrator = Orchestrator(f"sqlite:///{blocked}/learned.db", clock=clock, wall_clock=clock)
    await orchestrator.start()
    reply = await orchestrator.exchange(batch(served(5)), save=True)
    assert reply.status.trouble is not None
    assert "nothing is kept" in reply.status.trouble
    assert (reply.wanted, reply.kept) == (5, 0)
    blocked.unlink()
    while orchestrator.status().saved_version != 5:
        await actor.asyncio.sleep(0.01)
    assert orchestrator.status().trouble is None
    await orchestrator.stop()


async def test_gateways_hear_what_the_others_have_at_the_servers(orchestrator: Orchestrator, clock: Clock) -> None:
    await orchestrator.exchange(batch((), "one", outstanding={"small": (2.0, 1.0)}))
    await orchestrator.exchange(batch((), "two", outstanding={"small": (4.0, 0.0)}))
    turned = {"small": ("small@b", "small@a")}
    reply = await orchestrator.exchange(batch((), "three", servers=turned, outstanding={"small": (9.0, 9.0)}))
    assert reply.elsewhere == {"small": (1.0, 6.0)}
    clock.now += SILENT_S + 1
    assert (await orchestrator.exchange(batch((), "three"))).elsewhere == {"small": (0.0, 0.0)}


async def test_demand_is_added_up_and_only_grows(orchestrator: Orchestrator) -> None:
    for gateway, arrived in (("one", 5.0), ("two", 100.0), ("one", 8.0), ("one", 8.0), ("two", 101.0), ("one", 2.0)):
        await orchestrator.exchange(batch((), gateway, demand={"large": Demand(arrived, 0.0, 1.0, arrived / 2)}))
    assert orchestrator.status().demand == {"large": Demand(4.0, 0.0, 0.0, 2.0)}


async def test_of_gateways_that_have_gone_only_the_sums_are_kept(orchestrator: Orchestrator, clock: Clock) -> None:
    for gateway in ("one", "two"):
        for arrived in (3.0, 5.0):
            await orchestrator.exchange(batch((), gateway, demand={"large": Demand(arrived, 0.0, 0.0, 0.0)}))
        clock.now += LEASE_S
    while "one" in orchestrator._last_batches:
        await actor.asyncio.sleep(0.01)
    assert list(orchestrator._counters._last) == []
    assert orchestrator.status().demand["large"].arrived == 4.0
    for arrived in (6.0, 7.0):
        await orchestrator.exchange(batch((), "one", demand={"large": Demand(arrived, 0.0, 0.0, 0.0)}))
    assert orchestrator.status().demand["large"].arrived == 5.0


async def test_with_no_gateway_left_it_saves_and_ends(url: str, clock: Clock) -> None:
    ended: list[int] = []
    orchestrator = Orchestrator(url, lambda: ended.append(1), clock, clock)
    await orchestrator.start()
    await orchestrator.exchange(batch(served(2)))
    clock.now += LEASE_S + 1
    while not ended:
        await actor.asyncio.sleep(0.01)
    assert orchestrator.status().saved_version == 2
    await orchestrator.stop()
