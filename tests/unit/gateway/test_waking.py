"""A model whose replicas are gone because nobody asked: who waits for it, who does not, and that it wakes."""

from __future__ import annotations

import asyncio

import pytest

from cluster.config import EchoModel, Scaling
from deployments.gateway.client import ModelClient
from deployments.gateway.waking import Waking
from deployments.gateway.watch import Watch
from deployments.messages import GenerateRequest, Sampling
from policies.errors import EngineUnavailable
from policies.types import Slo
from tests.unit.gateway.fakes import FakeReplica, client_of, until
from tests.unit.gateway.town import HUGE, SMALL, Town, limits, said

ELASTIC = EchoModel(engine="echo", tier="cloud", scaling=Scaling(max_replicas=3, startup_s=20.0))
ASK = GenerateRequest("r1", Sampling(8), ({"role": "user", "content": "hello"},))


def sleeper(replica: FakeReplica) -> ModelClient:
    client = client_of(replica, "huge", "cloud", "cloud", ELASTIC)
    assert client.running == 0
    return client


def soon(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


class SlowProbe:
    def __init__(self) -> None:
        self.probes = 0
        self.awake = asyncio.Event()

    async def __call__(self, timeout_s: float) -> bool:
        self.probes += 1
        await self.awake.wait()
        return True


async def test_waking_twice_starts_once_and_the_rest_of_the_start_is_told() -> None:
    probe, now = SlowProbe(), [0.0]
    waking = Waking(20.0, probe, lambda: now[0])
    assert waking.left_s == 20.0
    waking.wake()
    waking.wake()
    await asyncio.sleep(0)
    now[0] = 12.0
    assert (probe.probes, waking.begun, waking.left_s) == (1, True, 8.0)
    now[0] = 500.0
    assert waking.left_s == 4.0
    probe.awake.set()
    await until(lambda: not waking.begun)


async def test_a_request_that_can_wait_for_the_start_is_sent_and_wakes_it_by_that() -> None:
    replica = FakeReplica("awake")
    assert (await sleeper(replica).complete(ASK, soon(60.0))).text == "awake"
    assert len(replica.requests) == 1


@pytest.mark.parametrize("whole", [True, False])
async def test_a_request_that_cannot_is_told_at_once_and_wakes_it(whole: bool) -> None:
    replica = FakeReplica()
    client = sleeper(replica)
    with pytest.raises(EngineUnavailable, match="it was asleep, and starts in about 20 s"):
        await (client.complete(ASK, soon(5.0)) if whole else anext(client.stream(ASK, soon(5.0), soon(60.0))))
    assert replica.requests == []
    assert client._waking is not None
    assert client._waking.begun
    assert client.breaker.why is None
    assert client.in_doubt()  # so that the cluster is looked at often


async def test_a_model_without_replicas_is_asleep_if_it_may_be_and_lost_if_not() -> None:
    asleep, lost = sleeper(FakeReplica()), client_of(FakeReplica())

    async def look() -> dict[str, int]:
        return {"huge@cloud": 0, "small@home": 0}

    watch = Watch([asleep, lost], look)
    await watch.once()
    assert (asleep.refusal, asleep.wait_s) == (None, 20.0)
    assert lost.refusal is not None
    assert watch.missing() == ["small"]


async def test_requests_that_wait_in_vain_for_a_start_do_not_close_the_server() -> None:
    client = sleeper(FakeReplica(hang=True))
    client._waking = Waking(0.0, client.ping)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            await client.complete(ASK, soon(0.01))
    assert client.breaker.why is None


async def test_a_question_that_a_sleeping_model_would_answer_best_wakes_it_and_goes_elsewhere_meanwhile() -> None:
    town = Town()
    client = town.clients["huge"]
    client.running, client._waking = 0, Waking(20.0, SlowProbe())
    hurried = await town.chooser.choose("auto", Slo(max_latency_s=5.0), said("tax 1"), limits(Slo(max_latency_s=5.0)))
    assert hurried.decision.path not in (HUGE,)
    assert client._waking.begun
    patient = await town.chooser.choose("auto", Slo(), said("tax 1"), limits(Slo()))
    assert patient.decision.path == HUGE
    assert patient.decision.predicted is not None
    assert patient.decision.predicted.latency_s > 15.0


async def test_a_question_for_which_it_is_not_the_best_lets_it_sleep() -> None:
    town = Town()
    client = town.clients["huge"]
    client.running, client._waking = 0, Waking(20.0, SlowProbe())
    choice = await town.chooser.choose("auto", Slo(), said("lamp 1"), limits(Slo()))
    assert choice.decision.path == SMALL
    assert not client._waking.begun


async def test_requests_that_wait_at_a_model_that_has_just_fallen_asleep_are_ended_unless_they_have_time() -> None:
    replica = FakeReplica(hang=True)
    client = sleeper(replica)
    client.running = 1
    hurried = asyncio.create_task(client.complete(ASK, soon(10.0)))
    patient = asyncio.create_task(client.complete(ASK, soon(60.0)))
    await until(lambda: len(replica.requests) == 2)
    client.running = 0
    client.has_none()
    with pytest.raises(TimeoutError):
        await hurried
    assert not patient.done()
    patient.cancel()
    await asyncio.gather(patient, return_exceptions=True)
    assert client.breaker.why is None
