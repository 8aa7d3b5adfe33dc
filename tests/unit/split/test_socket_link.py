"""Federated sites: the split over a real WebSocket on the loopback interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from deployments.gateway.keys import Keys
from deployments.models.split.answer import By
from deployments.models.split.codec import Wire
from deployments.models.split.desk import Desk
from deployments.models.split.door import SplitDoor
from deployments.models.split.draw import Draw
from deployments.models.split.errors import LinkError
from deployments.models.split.frames import Frame, Kind
from deployments.models.split.socket_link import NUMBER, SocketLink
from deployments.models.split.speaker import Speaker
from policies.errors import ConfigurationError
from policies.split.mode import Kind as ModeKind
from policies.split.mode import Mode
from tests.unit.split.town import PROMPT, PatientPace, Town, expected, split, whole

ALL_FROM_CLOUD = Mode(ModeKind.COLLABORATIVE, 1.0)
LOOPBACK = "127.0.0.1"


@dataclass
class Apart:
    """Two sites: `town` speaks over `link`, its cloud's part is behind `door`."""

    town: Town
    door: SplitDoor
    link: SocketLink

    @property
    def desk(self) -> Desk:
        return self.town.desk

    async def connected(self) -> None:
        """Return when the link is up."""
        while True:
            try:
                await self.link.ask(Frame(Kind.CLOSE, 0, 0).pack())
                return
            except LinkError:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def apart(keys: Sequence[str] = (), key: str | None = None) -> AsyncIterator[Apart]:
    async with split() as town:
        door = SplitDoor(town.desk, LOOPBACK, 0, Keys(tuple(keys)))
        await door.open()
        link = SocketLink(f"ws://{LOOPBACK}:{door.port}", key)
        speaker = Speaker(town.edge, town.speaker._reading._thread, link, Wire.FLOAT16)
        speaker.pace = PatientPace()
        town.speaker = speaker
        try:
            yield Apart(town, door, link)
        finally:
            await link.close()
            await door.close()


async def test_answers_are_the_whole_models_and_nothing_is_sent_twice() -> None:
    async with apart() as sites:
        await sites.connected()
        for mode in (ALL_FROM_CLOUD, Mode(ModeKind.VERIFIED, 0.3, 4)):
            said = await asyncio.gather(*(sites.town.say(mode, PROMPT[i:]) for i in range(4)))
            for i, (tokens, answer) in enumerate(said):
                assert tokens == expected(whole("llama"), 1, Wire.FLOAT16, PROMPT[i:], 20)
                assert answer.traffic.resent == 0
        await sites.connected()  # what was sent before has arrived
        assert (sites.desk.sessions, sites.desk.nbytes) == (0, 0)


async def test_a_key_opens_the_door() -> None:
    async with apart(keys=("one", "two"), key="two") as sites:
        await sites.connected()


@pytest.mark.parametrize("key", [None, "three"])
async def test_a_wrong_key_does_not(key: str | None) -> None:
    async with apart(keys=("one", "two"), key=key) as sites:
        while "401" not in sites.link._why:  # noqa: ASYNC110  the other side sets no event of ours
            await asyncio.sleep(0.01)
        with pytest.raises(LinkError, match=r"no connection to ws://.*401"):
            await sites.link.ask(b"")
        tokens, answer = await sites.town.say(ALL_FROM_CLOUD, most=3)
        assert len(tokens) == 3
        assert answer.tally.by == {By.ALONE: 3}


async def test_a_connection_that_breaks_takes_its_sessions_along_and_comes_back() -> None:
    async with apart() as sites:
        await sites.connected()
        text = sites.town.speaker.open(PROMPT, Draw(), is_sent=True)
        uplink = sites.town.speaker.connect(text)
        assert uplink is not None
        await sites.town.speaker.read(text, uplink)
        first = (await uplink.ask(len(PROMPT) - 1, 1)).tokens
        assert sites.desk.sessions == 1
        port = sites.door.port
        await sites.door.close()
        while sites.desk.sessions:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        with pytest.raises(LinkError):
            await uplink.ask(len(PROMPT) - 1, 1)
        door = SplitDoor(sites.desk, LOOPBACK, port, Keys(()))
        await door.open()
        try:
            await sites.connected()
            assert (await uplink.ask(len(PROMPT) - 1, 1)).tokens == first
            assert uplink.traffic.resent == len(PROMPT)
        finally:
            await door.close()


async def test_a_question_under_way_fails_when_the_connection_breaks() -> None:
    async with apart() as sites:
        await sites.connected()
        forever = asyncio.Event()

        async def handle(message: bytes, owner: object = None) -> bytes:
            await forever.wait()
            return b""

        sites.desk.handle = handle  # type: ignore[method-assign]
        asking = asyncio.create_task(sites.link.ask(b"anything"))
        await asyncio.sleep(0.05)
        assert not asking.done()
        await sites.door.close()
        with pytest.raises(LinkError, match="broke"):
            await asking


@pytest.mark.parametrize("message", [b"", b"12", NUMBER.pack(0) + b"noise", "text"])
async def test_a_harmed_message_ends_the_connection(message: bytes | str) -> None:
    async with apart() as sites, connect(f"ws://{LOOPBACK}:{sites.door.port}") as connection:
        await connection.send(message)
        with pytest.raises(ConnectionClosed) as caught:
            await connection.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1007


async def test_a_harmed_question_gets_an_empty_answer_which_is_none() -> None:
    async with apart() as sites, connect(f"ws://{LOOPBACK}:{sites.door.port}") as connection:
        await connection.send(NUMBER.pack(7) + b"noise")
        assert await connection.recv() == NUMBER.pack(7)


async def test_an_address_in_use() -> None:
    async with apart() as sites:
        with pytest.raises(ConfigurationError, match=f"{LOOPBACK}:{sites.door.port} cannot be listened on"):
            await SplitDoor(sites.desk, LOOPBACK, sites.door.port, Keys(())).open()
