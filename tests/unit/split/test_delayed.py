"""The emulated link before any other: slower, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from cluster.config.sites import Link as LinkConfig
from cluster.link import EmulatedLink
from deployments.models.split.delayed import DelayedLink
from deployments.models.split.link import Link
from deployments.models.split.uplink import FLUSH_BYTES
from policies.split.mode import Kind, Mode
from tests.unit.split.checkpoints import VOCABULARY, WIDTH
from tests.unit.split.town import split


@pytest.mark.parametrize("mbps", [None, 10.0])
@pytest.mark.parametrize("prompt", [20, 40, 300])
async def test_a_question_does_not_overtake_the_states_before_it(prompt: int, mbps: float | None) -> None:
    assert 20 * 2 * WIDTH < FLUSH_BYTES < 40 * 2 * WIDTH, "of the prompts one is too short for an upload of its own"
    async with split() as town:
        town.speaker._link = DelayedLink(town.link, EmulatedLink(LinkConfig(rtt_s=0.004, mbps=mbps)))
        text = [1 + i % (VOCABULARY - 1) for i in range(prompt)]
        _, answer = await town.say(Mode(Kind.COLLABORATIVE, 1.0), text, 4)
        assert (answer.traffic.asks, answer.traffic.resent, answer.tally.alone) == (4, 0, False)


class Slow(Link):
    """Notes what arrives."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
        self.closed = False

    def upload(self, message: bytes) -> None:
        self.arrived.append(message)

    async def ask(self, message: bytes) -> bytes:
        self.arrived.append(message)
        return b"answer"

    async def close(self) -> None:
        self.closed = True


async def test_what_is_on_its_way_when_the_link_is_closed_does_not_arrive() -> None:
    inner = Slow()
    link = DelayedLink(inner, EmulatedLink(LinkConfig(rtt_s=60.0)))
    link.upload(b"states")
    asking = asyncio.create_task(link.ask(b"question"))
    await asyncio.sleep(0)
    asking.cancel()
    await link.close()
    assert await asyncio.gather(asking, return_exceptions=True) != [b"answer"]
    assert (inner.arrived, inner.closed) == ([], True)
