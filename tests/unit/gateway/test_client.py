"""One server behind its queue, its breaker and the emulated link."""

import asyncio
from contextlib import aclosing

import pytest
from ray.exceptions import ActorUnavailableError

from cluster.config import EchoModel, Link
from cluster.link import EmulatedLink
from deployments.gateway import watch as watch_module
from deployments.gateway.client import ModelClient
from deployments.gateway.watch import Watch
from deployments.messages import GenerateRequest, Sampling
from policies.errors import EngineFailed, EngineUnavailable, Overloaded
from tests.unit.gateway.fakes import FakeReplica, client_of, until

ASK = GenerateRequest("r1", Sampling(8), ({"role": "user", "content": "héllo"},))


def soon(seconds: float = 30.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def read(client: ModelClient, seconds: float = 30.0) -> str:
    async with aclosing(client.stream(ASK, soon(seconds), soon(seconds))) as deltas:
        return "".join([delta.text async for delta in deltas])


async def test_a_whole_answer_and_a_stream_are_the_same() -> None:
    client = client_of(FakeReplica("one two three"))
    assert (await client.complete(ASK, soon())).text == await read(client) == "one two three"
    assert client.seats.taken == 0


async def test_the_engine_is_told_how_long_it_may_take() -> None:
    replica = FakeReplica()
    await client_of(replica).complete(ASK, soon(5.0))
    assert replica.requests[0].timeout_s == pytest.approx(5.0, abs=1.0)


@pytest.mark.parametrize("whole", [True, False])
async def test_a_late_engine_is_stopped(whole: bool) -> None:
    replica = FakeReplica(hang=True)
    client = client_of(replica)
    with pytest.raises(TimeoutError):
        await (client.complete(ASK, soon(0.02)) if whole else read(client, 0.02))
    assert replica.cancelled == 1
    assert client.seats.taken == 0


@pytest.mark.parametrize("whole", [True, False])
async def test_a_caller_who_leaves_stops_the_engine(whole: bool) -> None:
    replica = FakeReplica(hang=True)
    client = client_of(replica)
    task = asyncio.create_task(client.complete(ASK, soon()) if whole else read(client))  # type: ignore[arg-type]
    await until(lambda: replica.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert replica.cancelled == 1
    assert client.seats.taken == 0


async def test_a_stream_closed_early_stops_the_engine() -> None:
    replica = FakeReplica("one two three")
    client = client_of(replica)
    async with aclosing(client.stream(ASK, soon(), soon())) as deltas:
        assert (await anext(deltas)).text == "one"
    assert replica.cancelled == 1
    assert client.seats.taken == 0


async def test_a_full_queue_refuses_before_ray_is_asked() -> None:
    replica = FakeReplica(hang=True)
    client = client_of(replica, model=EchoModel(engine="echo", max_ongoing=1, max_queued=1))
    tasks = [asyncio.create_task(client.complete(ASK, soon())) for _ in range(2)]
    await until(lambda: client.seats.waiting)
    with pytest.raises(Overloaded, match="small@home"):
        await client.complete(ASK, soon())
    assert len(replica.requests) == 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_losing_the_only_replica_opens_the_breaker_and_ends_what_waits() -> None:
    waiting_at, replica = FakeReplica(hang=True), FakeReplica(fault=ActorUnavailableError("gone", b"x" * 16))
    client, other = client_of(replica), client_of(waiting_at)
    waiting = asyncio.create_task(other.complete(ASK, soon()))
    await until(lambda: waiting_at.requests)
    other.lost("its replica died")
    with pytest.raises(EngineUnavailable, match="died"):
        await waiting
    with pytest.raises(EngineUnavailable):
        await client.complete(ASK, soon())
    with pytest.raises(EngineUnavailable, match="at home"):
        await client.complete(ASK, soon())
    assert len(replica.requests) == 1


async def test_one_of_two_lost_replicas_does_not_close_the_server() -> None:
    replica = FakeReplica(fault=ActorUnavailableError("gone", b"x" * 16))
    client = client_of(replica)
    client.running = 2
    with pytest.raises(EngineUnavailable):
        await client.complete(ASK, soon())
    replica.fault = None
    assert (await client.complete(ASK, soon())).text == "a fine answer"


async def test_an_impatient_caller_does_not_close_the_server() -> None:
    client = client_of(FakeReplica(hang=True))
    for _ in range(5):
        with pytest.raises(TimeoutError):
            await client.complete(ASK, soon(0.01))
    assert client.breaker.why is None


async def test_a_mistake_of_the_engine_is_its_failure() -> None:
    with pytest.raises(EngineFailed, match="ZeroDivisionError"):
        await client_of(FakeReplica(fault=ZeroDivisionError("by zero"))).complete(ASK, soon())


async def test_the_link_is_crossed_in_both_directions_and_counted() -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    link = EmulatedLink(Link(rtt_s=0.2), clock=lambda: 0.0, sleep=note)
    traffic: list[tuple[int, int]] = []
    client = client_of(FakeReplica("one two"), link=link, traffic=lambda up, down: traffic.append((up, down)))
    await client.complete(ASK, soon())
    assert waits == [0.1, 0.1]
    assert traffic == [(6, 0), (0, 7)]  # é takes two bytes
    assert await read(client) == "one two"
    assert sum(down for _, down in traffic) == 14
    assert len(waits) == 2 + 1 + 3


async def test_an_error_crosses_the_link_behind_the_words_before_it() -> None:
    async def no_wait(seconds: float) -> None:
        pass

    link = EmulatedLink(Link(rtt_s=0.2), clock=lambda: 0.0, sleep=no_wait)
    client = client_of(
        FakeReplica("one two three", fault=ValueError("tired"), fault_at=2), link=link, traffic=lambda up, down: None
    )
    deltas = client.stream(ASK, soon(), soon())
    assert [(await anext(deltas)).text, (await anext(deltas)).text] == ["one", " two"]
    with pytest.raises(EngineFailed, match="tired"):
        await anext(deltas)


async def test_the_watch_opens_and_closes_the_breaker() -> None:
    replica = FakeReplica()
    client = client_of(replica)
    running = {"small@home": 0}

    async def look() -> dict[str, int]:
        return running

    watch = Watch([client], look)
    await watch.once()
    assert watch.missing() == ["small"]
    with pytest.raises(EngineUnavailable, match="no replica is running"):
        await client.complete(ASK, soon())
    running["small@home"], replica.healthy = 1, False
    await watch.once()
    assert watch.missing() == ["small"]
    replica.healthy = True
    await watch.once()
    assert watch.missing() == []
    assert (await client.complete(ASK, soon())).text == "a fine answer"


async def test_until_it_has_been_seen_a_server_is_looked_for_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "EVERY_S", 3600)
    monkeypatch.setattr(watch_module, "EVERY_AT_START_S", 0)
    looks = 0

    async def look() -> dict[str, int]:
        nonlocal looks
        looks += 1
        return {"small@home": int(looks > 2)}

    watch = Watch([client_of(FakeReplica())], look)
    watch.start()
    await until(lambda: looks > 2 and not watch.missing())
    watch.stop()
    assert watch.missing() == []


async def test_the_watch_looks_only_at_what_is_in_doubt() -> None:
    replica, now, looks = FakeReplica(), [0.0], 0
    client = client_of(replica)

    async def look() -> dict[str, int]:
        nonlocal looks
        looks += 1
        return {"small@home": 1}

    watch = Watch([client], look, clock=lambda: now[0])
    for _ in range(3):
        await client.complete(ASK, soon())
        await watch.once()
    assert looks == 1  # the first; then answers came
    replica.hang = True
    waiting = asyncio.create_task(client.complete(ASK, soon()))
    await until(lambda: len(replica.requests) == 4)
    await watch.once()
    assert looks == 2  # a request waits, and nothing was answered since
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await watch.once()
    assert looks == 2
    now[0] = 11.0
    await watch.once()
    assert looks == 3
