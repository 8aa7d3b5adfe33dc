"""What a newcomer waits at a server."""

import pytest

from cluster.config import EchoModel
from deployments.gateway.load import Load


def test_nobody_waits_while_there_is_a_place_or_nothing_is_known() -> None:
    load = Load(2)
    assert load.wait_s(9, replicas=1) == 0.0
    load.note(3.0)
    assert load.wait_s(1, replicas=1) == 0.0
    assert load.wait_s(3, replicas=2) == 0.0


@pytest.mark.parametrize(("present", "replicas", "wait_s"), [(2, 1, 1.5), (3, 1, 3.0), (5, 2, 1.5), (2, 0, 1.5)])
def test_each_in_front_takes_its_share_of_the_places(present: int, replicas: int, wait_s: float) -> None:
    load = Load(2)
    load.note(3.0)
    assert load.wait_s(present, replicas) == pytest.approx(wait_s)


def test_the_mean_follows_what_requests_take() -> None:
    load = Load(1)
    for _ in range(100):
        load.note(1.0)
    load.note(11.0)
    assert load.wait_s(1, 1) == pytest.approx(2.0)


async def test_time_in_the_engine_s_queue_is_not_counted_twice() -> None:
    import asyncio
    from dataclasses import replace

    from deployments.messages import Completion, GenerateRequest, Sampling
    from tests.unit.gateway.fakes import REPORT, FakeReplica, client_of

    class Slow(FakeReplica):
        async def complete(self, request: GenerateRequest) -> Completion:
            await asyncio.sleep(0.05)
            return Completion("x", "stop", replace(REPORT, wait_s=1000.0))

    client = client_of(Slow(), model=EchoModel(engine="echo", max_ongoing=1))
    asked = [client.complete(GenerateRequest("1", Sampling(1)), asyncio.get_running_loop().time() + 9) for _ in range(3)]
    await asyncio.gather(*asked)
    assert client.wait_s == 0.0
    await client.seats.enter()
    assert client.wait_s == 0.0  # 0.05 s and more were held, but the engine says that its queue took all of it
