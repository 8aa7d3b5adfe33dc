"""What the cloud keeps of sessions, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from deployments.models.split.answer import Answer
from deployments.models.split.codec import Wire
from deployments.models.split.desk import Desk
from deployments.models.split.draw import Draw
from deployments.models.split.edge import Text
from deployments.models.split.errors import CloudRefused, FrameError
from deployments.models.split.frames import Frame, Kind, Question, pack_tokens, unpack, unpack_tokens
from deployments.models.split.uplink import Uplink
from policies.split.mode import Kind as ModeKind
from policies.split.mode import Mode
from tests.unit.split.checkpoints import VOCABULARY, WIDTH
from tests.unit.split.town import NEVER, PROMPT, Town, expected, split, whole

ALL_FROM_CLOUD = Mode(ModeKind.COLLABORATIVE, 1.0)
VERIFIED = Mode(ModeKind.VERIFIED, 0.3, 3)


def read(town: Town, prompt: Sequence[int] = PROMPT) -> Text:
    text = town.edge.open(prompt, Draw())
    town.edge.read([text], 100)
    return text


def states(text: Text, town: Town, session: int = 1, first: int = 0, **changes: object) -> Frame:
    payload = b"".join(text.states[first:])
    frame = Frame(
        Kind.STATES,
        town.edge.fingerprint,
        session,
        first=first,
        count=len(text.states) - first,
        wire=int(Wire.FLOAT16),
        payload=payload,
    )
    return replace(frame, **changes)  # type: ignore[arg-type]


def opened(town: Town, session: int = 1) -> Frame:
    return Frame(Kind.OPEN, town.edge.fingerprint, session, payload=Draw().pack())


def ask(town: Town, first: int, count: int = 1, session: int = 1, epoch: int = 0) -> Frame:
    return Frame(Kind.ASK, town.edge.fingerprint, session, epoch, first, count, payload=Question([], b"").pack())


async def put(desk: Desk, *frames: Frame) -> Frame | None:
    """The answer to a message with these frames."""
    reply = await desk.handle(b"".join(frame.pack() for frame in frames))
    return next(unpack(reply), None)


def tokens(frame: Frame | None) -> list[int]:
    assert frame is not None
    assert frame.kind is Kind.TOKENS
    return unpack_tokens(frame.payload[8:])


async def test_a_question_about_several_positions() -> None:
    async with split() as town:
        text = read(town, [*PROMPT, 4, 8])
        told = tokens(await put(town.desk, opened(town), states(text, town), ask(town, 6, 3)))
    model = whole("llama")
    assert told == [expected(model, 1, Wire.FLOAT16, text.tokens[: 7 + i], 1)[0] for i in range(3)]


async def test_a_question_asked_twice_is_answered_alike_and_computed_once() -> None:
    async with split() as town:
        first = await put(town.desk, opened(town), states(read(town), town), ask(town, 5, 2))
        again = await put(town.desk, ask(town, 5, 2))
        assert tokens(first) == tokens(again)
        assert town.desk.positions == len(PROMPT)


async def test_a_question_about_a_position_that_was_passed_over_wants_its_state_again() -> None:
    async with split() as town:
        text = read(town)
        await put(town.desk, opened(town), states(text, town), ask(town, 6))
        missing = await put(town.desk, ask(town, 3))
        assert missing is not None
        assert (missing.kind, missing.first) == (Kind.MISSING, 3)
        told = tokens(await put(town.desk, states(text, town, first=3), ask(town, 3)))
    assert told == expected(whole("llama"), 1, Wire.FLOAT16, PROMPT[:4], 1)


async def test_states_of_another_model_are_refused() -> None:
    async with split() as town:
        answer = await put(town.desk, opened(town), states(read(town), town, model=town.edge.fingerprint ^ 1), ask(town, 6))
        assert answer is not None
        assert answer.kind is Kind.REFUSED
        assert b"same checkpoint and the same exits" in answer.payload


async def test_a_session_of_another_model_ends_in_a_refusal_at_the_edge() -> None:
    async with split() as town, split(cut=(2, 3)) as other:
        uplink = Uplink(other.link, read(town), town.edge.fingerprint, Wire.FLOAT16)
        with pytest.raises(CloudRefused, match="same checkpoint"):
            await uplink.ask(6, 1)
        assert other.desk.sessions == 0


async def test_states_of_another_session_are_not_found_in_this_one() -> None:
    async with split() as town:
        await put(town.desk, opened(town, 1), states(read(town), town, session=1))
        missing = await put(town.desk, opened(town, 2), ask(town, 6, session=2))
        assert missing is not None
        assert (missing.kind, missing.first, missing.session) == (Kind.MISSING, 0, 2)


async def test_a_forgotten_session_says_so() -> None:
    async with split() as town:
        missing = await put(town.desk, ask(town, 6))
        assert missing is not None
        assert (missing.kind, missing.afresh) == (Kind.MISSING, True)


@pytest.mark.parametrize("wire", [Wire.FLOAT16, Wire.INT8])
async def test_states_that_are_no_numbers_are_refused(wire: Wire) -> None:
    nan = torch.tensor([torch.nan]).numpy().tobytes() + bytes(WIDTH) if wire is Wire.INT8 else b"\xff" * (2 * WIDTH)
    async with split() as town:
        frame = states(read(town), town, count=1, wire=int(wire), payload=nan)
        answer = await put(town.desk, opened(town), frame, ask(town, 0))
        assert answer is not None
        assert answer.kind is Kind.REFUSED
        assert b"not finite" in answer.payload


async def test_bytes_that_are_no_states_are_refused() -> None:
    async with split() as town:
        text = read(town)
        for wrong in (states(text, town, count=2), states(text, town, count=0, payload=b""), states(text, town, payload=b"123")):
            answer = await put(town.desk, opened(town), wrong)
            assert answer is not None
            assert answer.kind is Kind.REFUSED
        with pytest.raises(FrameError, match="format 77"):
            await put(town.desk, states(text, town, wire=77))
        with pytest.raises(FrameError, match="TOKENS is nothing that an edge says"):
            await put(town.desk, Frame(Kind.TOKENS, town.edge.fingerprint, 1, payload=pack_tokens([1])))
        for wrong in (ask(town, 0, 0), replace(ask(town, 0), payload=Question([VOCABULARY], b"").pack())):
            with pytest.raises(FrameError, match="at least one position, and holds tokens of the vocabulary"):
                await put(town.desk, wrong)
        with pytest.raises(FrameError, match="take 40 bytes, not 3"):
            await put(town.desk, replace(opened(town), payload=b"123"))


async def test_a_question_brings_the_last_states_with_it() -> None:
    async with split() as town:
        text = read(town)
        some = states(text, town, count=4, payload=b"".join(text.states[:4]))
        brought = replace(ask(town, 6), wire=int(Wire.FLOAT16), payload=Question([], b"".join(text.states[4:])).pack())
        told = tokens(await put(town.desk, opened(town), some, brought))
        assert told == expected(whole("llama"), 1, Wire.FLOAT16, PROMPT, 1)
        too_many = replace(ask(town, 0), wire=int(Wire.FLOAT16), payload=Question([], b"".join(text.states[4:])).pack())
        with pytest.raises(FrameError, match="3 positions end before position 1"):
            await put(town.desk, too_many)


async def test_a_harmed_message_changes_nothing() -> None:
    async with split() as town:
        message = bytearray(states(read(town), town).pack())
        message[40] ^= 1
        with pytest.raises(FrameError):
            await town.desk.handle(bytes(message))
        assert town.desk.sessions == 0


async def test_sixteen_answers_at_once_share_passes_and_nothing_else() -> None:
    prompts = [[1 + (7 * i + 3 * j) % (VOCABULARY - 1) for j in range(3 + i)] for i in range(16)]
    async with split(faint=True, shared=True) as town:
        before = town.desk.nbytes
        modes = [ALL_FROM_CLOUD, VERIFIED]
        said = await asyncio.gather(*(town.say(modes[i % 2], prompt, 12) for i, prompt in enumerate(prompts)))
        assert town.desk.passes < 16 * 12 / 2
        assert (town.desk.sessions, town.desk.nbytes) == (0, before)
    model = whole("llama", True)
    assert [tokens for tokens, _ in said] == [expected(model, 1, Wire.FLOAT16, prompt, 12) for prompt in prompts]


async def test_the_session_unused_for_longest_is_forgotten_and_comes_back() -> None:
    """Memory for one of two that take turns: each question pushes the other out, and both still say what they should."""
    prompts = [PROMPT, PROMPT[::-1]]
    async with split(memory_bytes=50_000) as town:
        answers = [Answer(town.speaker, prompts[i], Draw(), [ALL_FROM_CLOUD, VERIFIED][i], 12, (NEVER,)) for i in range(2)]
        said: list[list[int]] = [[], []]
        steps = [answer.tokens() for answer in answers]
        for _ in range(12):
            for i in range(2):
                said[i].append((await anext(steps[i])).token)
                assert town.desk.nbytes <= 50_000
        for step in steps:
            await step.aclose()
    assert all(answer.traffic.resent > 0 for answer in answers)
    assert said == [expected(whole("llama"), 1, Wire.FLOAT16, prompt, 12) for prompt in prompts]


async def test_a_session_larger_than_all_memory_is_refused_with_the_numbers() -> None:
    async with split(memory_bytes=3000) as town:
        answer = await put(town.desk, opened(town), states(read(town), town), ask(town, 6))
        assert answer is not None
        assert answer.kind is Kind.REFUSED
        assert b"7 positions take 32768 bytes; 0 of 3000 are taken by sessions that are at work" in answer.payload


async def test_sessions_at_work_are_not_forgotten_for_others() -> None:
    """Memory for one of three that ask at once: two are told no, say the rest alone, and the bound holds."""
    async with split(memory_bytes=50_000) as town:
        watching = asyncio.create_task(_most(town.desk))
        said = await asyncio.gather(*(town.say(ALL_FROM_CLOUD, PROMPT[i:], 4) for i in range(3)))
        assert town.desk.nbytes == 0
        watching.cancel()
        assert 0 < await watching <= 50_000
    assert [answer.tally.alone for _, answer in said] == [False, True, True]
    assert all("are taken by sessions that are at work" in a.tally.why for _, a in said if a.tally.alone)


async def _most(desk: Desk) -> int:
    """The most memory at any turn of the loop, until it is cancelled."""
    most = 0
    try:
        while True:
            most = max(most, desk.nbytes)
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        return most


async def test_an_edge_that_only_sends_takes_no_more_memory_than_there_is() -> None:
    async with split(memory_bytes=42_000) as town:
        text = read(town, [1 + i % (VOCABULARY - 1) for i in range(60)])
        for _ in range(20):
            await put(town.desk, opened(town), states(text, town))
            assert town.desk.nbytes <= 42_000
        told = tokens(await put(town.desk, ask(town, 59)))
        assert told == expected(whole("llama"), 1, Wire.FLOAT16, text.tokens, 1)


async def test_states_that_found_no_room_are_wanted_again() -> None:
    async with split(memory_bytes=3000) as town:
        text = read(town, [1 + i % (VOCABULARY - 1) for i in range(60)])
        missing = await put(town.desk, opened(town), states(text, town), ask(town, 59))
        assert missing is not None
        assert (missing.kind, missing.first, town.desk.nbytes) == (Kind.MISSING, 0, 0)


async def test_sessions_end_with_their_owner_and_after_silence() -> None:
    now = 0.0
    async with split(idle_s=10.0, clock=lambda: now) as town:
        text = read(town)
        for session, owner in ((1, "a"), (2, "a"), (3, "b")):
            await town.desk.handle(states(text, town, session=session).pack(), owner)
        town.desk.leave("a")
        assert town.desk.sessions == 1
        now = 9.0
        await town.desk.handle(states(text, town, session=4).pack(), "b")
        now = 11.0
        town.desk.sweep()
        assert town.desk.sessions == 1
        now = 20.0
        town.desk.sweep()
        assert (town.desk.sessions, town.desk.nbytes) == (0, 0)


async def test_an_answer_that_is_given_up_leaves_nothing() -> None:
    async with split() as town:
        for mode in (ALL_FROM_CLOUD, VERIFIED):
            before = town.desk.sessions
            steps = Answer(town.speaker, PROMPT, Draw(), mode, 50, (NEVER,)).tokens()
            await anext(steps)
            assert town.desk.sessions == before + 1
            await steps.aclose()
            await asyncio.sleep(0)
            assert (town.desk.sessions, town.desk.nbytes) == (0, 0)


async def test_a_long_prompt_goes_in_several_passes() -> None:
    prompt = [1 + i % (VOCABULARY - 1) for i in range(700)]
    async with split("qwen2") as town:
        said, _ = await town.say(ALL_FROM_CLOUD, prompt, 2)
        assert town.desk.passes == 3
    assert said == expected(whole("qwen2"), 1, Wire.FLOAT16, prompt, 2)
