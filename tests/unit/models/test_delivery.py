"""Between engine and caller: fewer deltas, deadlines, and an engine that is always told to stop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from deployments.messages import Delta, GenerateRequest, Sampling, StageReport
from deployments.models import delivery
from deployments.models.base import Engine
from policies.errors import DeadlineExceeded, EngineFailed

REPORT = StageReport("generate", "script", "home", 0.0)
REQUEST = GenerateRequest("r1", Sampling(8), prompt="x")
IN_NO_TIME = GenerateRequest("r1", Sampling(8), prompt="x", timeout_s=0.0)


class Scripted(Engine):
    """Says its pieces, waiting for the test at every None, and remembers whether it was stopped."""

    def __init__(self, *pieces: str | Exception | None, ends: bool = True) -> None:
        self.pieces = pieces
        self.ends = ends
        self.go_on = asyncio.Event()
        self.stopped = False

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def check(self) -> None: ...

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        try:
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                if piece is None:
                    await self.go_on.wait()
                else:
                    yield Delta(piece)
            if self.ends:
                yield Delta("", "stop", REPORT)
        finally:
            self.stopped = True


async def test_what_comes_while_the_caller_is_busy_comes_as_one():
    deltas = [delta async for delta in delivery.stream(Scripted("a", "b", "c", "d"), REQUEST, gap_s=60)]
    assert "".join(delta.text for delta in deltas) == "abcd"
    assert len(deltas) <= 2
    assert (deltas[-1].finish_reason, deltas[-1].report) == ("stop", REPORT)


async def test_the_first_token_does_not_wait_for_others():
    engine = Scripted("a", None, "b")
    async with aclosing(delivery.stream(engine, REQUEST, gap_s=60)) as deltas:
        assert (await anext(deltas)).text == "a"
        engine.go_on.set()
        assert (await anext(deltas)).text == "b"


async def test_closing_it_stops_the_engine():
    engine = Scripted("a", None)
    async with aclosing(delivery.stream(engine, REQUEST)) as deltas:
        await anext(deltas)
    assert engine.stopped


@pytest.mark.parametrize("way", ["stream", "complete"])
async def test_cancelling_the_caller_stops_the_engine(way: str):
    engine = Scripted(None)

    async def call() -> None:
        if way == "complete":
            await delivery.complete(engine, REQUEST)
        else:
            async with aclosing(delivery.stream(engine, REQUEST)) as deltas:
                await anext(deltas)

    task = asyncio.create_task(call())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.stopped


@pytest.mark.parametrize("way", ["stream", "complete"])
async def test_a_deadline_stops_the_engine_and_is_told(way: str):
    engine = Scripted(None)
    call = delivery.complete(engine, IN_NO_TIME) if way == "complete" else everything(delivery.stream(engine, IN_NO_TIME))
    with pytest.raises(DeadlineExceeded, match="during generation"):
        await call
    assert engine.stopped or way == "stream"  # a stream may end before the engine was asked anything


async def test_an_error_comes_after_the_text_before_it():
    said: list[str] = []
    with pytest.raises(EngineFailed, match="tripped"):
        await everything(delivery.stream(Scripted("a", "b", EngineFailed("script", "tripped")), REQUEST), said)
    assert "".join(said) == "ab"


async def test_an_engine_that_just_ends_does_not_leave_the_caller_waiting():
    with pytest.raises(RuntimeError, match="without a finish reason"):
        await everything(delivery.stream(Scripted("a", ends=False), REQUEST))
    with pytest.raises(RuntimeError, match="without a finish reason"):
        await delivery.complete(Scripted("a", ends=False), REQUEST)


async def everything(deltas: AsyncGenerator[Delta, None], said: list[str] | None = None) -> None:
    async for delta in deltas:
        if said is not None:
            said.append(delta.text)
