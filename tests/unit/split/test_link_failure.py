"""When the link dies, the answer does not."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from deployments.models.split.answer import Answer, By
from deployments.models.split.codec import Wire
from deployments.models.split.draw import Draw
from policies.split.backoff import Backoff
from policies.split.mode import Kind, Mode
from tests.unit.split.checkpoints import VOCABULARY
from tests.unit.split.town import NEVER, PROMPT, Disturbed, Town, expected, split, whole

MOST = 10
MODES = [Mode(Kind.COLLABORATIVE, 1.0), Mode(Kind.COLLABORATIVE, 0.6), Mode(Kind.VERIFIED, 0.6, 3)]


class Impatient(Backoff):
    """Tries again at once."""

    def allows(self, now: float) -> bool:
        return True


async def say_with_outage(
    town: Town, mode: Mode, prompt: list[int], cut_at: int, back_at: int, most: int = MOST
) -> tuple[list[int], list[By], int]:
    """Tokens, whose they are, and how often the cloud was asked, with the link down between two tokens."""
    assert isinstance(town.link, Disturbed)
    answer = Answer(town.speaker, prompt, Draw(), mode, most, (NEVER,))
    tokens: list[int] = []
    by: list[By] = []
    asks = town.link.asks
    async for said in answer.tokens():
        tokens.append(said.token)
        by.append(said.by)
        town.link.cut = cut_at <= len(tokens) < back_at
    town.link.cut = False
    assert tokens == answer._text.tokens[len(prompt) :]
    assert answer.tally.alone == (By.ALONE in by)
    return tokens, by, town.link.asks - asks


async def test_a_hundred_answers_with_the_link_cut_at_a_random_token() -> None:
    random = Random(5)
    async with split(disturb=list, shared=True, faint=True) as town:
        for number in range(100):
            prompt = [random.randrange(1, VOCABULARY) for _ in range(random.randint(1, 12))]
            mode = MODES[number % 3]
            town.speaker.backoff = Backoff()
            cut_at = random.randrange(MOST)
            tokens, by, _ = await say_with_outage(town, mode, prompt, cut_at, MOST + 1)
            assert len(tokens) == MOST
            alone = by.index(By.ALONE) if By.ALONE in by else MOST
            assert By.CLOUD not in by[alone:]
            if mode.threshold == 1 or mode.kind is Kind.VERIFIED:
                assert alone >= cut_at
                assert tokens[:alone] == expected(whole("llama", True), 1, Wire.FLOAT16, prompt, alone)[:alone]


@pytest.mark.parametrize("mode", MODES)
async def test_when_the_link_is_back_later_tokens_use_the_cloud_again(mode: Mode) -> None:
    async with split(disturb=list) as town:
        town.speaker.backoff = Impatient()
        tokens, by, _ = await say_with_outage(town, mode, PROMPT, 3, 8, most=20)
    alone = [i for i, whose in enumerate(by) if whose is By.ALONE]
    assert alone
    assert By.CLOUD in by[alone[-1] :]
    if mode.threshold == 1 or mode.kind is Kind.VERIFIED:  # after the outage, too, the cloud says what it says to this text
        position = alone[-1] + 1
        text = PROMPT + tokens[:position]
        assert tokens[position:] == expected(whole("llama"), 1, Wire.FLOAT16, text, 20 - position)


async def test_a_link_that_is_down_is_left_alone_for_a_while() -> None:
    async with split(disturb=list) as town:
        _, by, asks = await say_with_outage(town, MODES[0], PROMPT, 0, MOST + 1)
        assert set(by[1:]) == {By.ALONE}
        assert asks < MOST / 2


async def test_an_answer_that_comes_too_late_is_not_waited_for() -> None:
    async with split(disturb=list) as town:
        forever = asyncio.Event()

        async def ask(message: bytes) -> bytes:
            await forever.wait()
            return b""

        town.link.ask = ask  # type: ignore[method-assign]
        town.speaker.pace.limit_s = lambda positions: 0.01  # type: ignore[method-assign]
        tokens, answer = await town.say(MODES[0], most=4)
    assert len(tokens) == 4
    assert answer.tally.by == {By.ALONE: 4}


async def test_without_time_for_a_question_the_edge_says_it_alone() -> None:
    async with split() as town:
        pace = town.speaker.pace
        pace.round_trip.note(5.0)
        pace.edge_token.note(0.0)
        answer = Answer(town.speaker, PROMPT, Draw(), MODES[0], 4, (NEVER,), time_limit_s=4.0)
        assert [said.by async for said in answer.tokens()] == [By.ALONE] * 4
        answer = Answer(town.speaker, PROMPT, Draw(), MODES[0], 1, (NEVER,), time_limit_s=600.0)
        assert [said.by async for said in answer.tokens()] == [By.CLOUD]


async def test_a_caller_without_time_does_not_close_the_link_to_others() -> None:
    async with split(disturb=list) as town:
        ask, forever = town.link.ask, asyncio.Event()

        async def hang(message: bytes) -> bytes:
            await forever.wait()
            return b""

        town.link.ask = hang  # type: ignore[method-assign]
        hasty = Answer(town.speaker, PROMPT, Draw(), MODES[0], 1, (NEVER,), time_limit_s=0.02)
        assert [said.by async for said in hasty.tokens()] == [By.ALONE]
        town.link.ask = ask  # type: ignore[method-assign]
        _, answer = await town.say(MODES[0], most=4)
    assert answer.tally.by == {By.CLOUD: 4}


async def test_an_answer_later_than_the_link_varies_closes_it_though_the_caller_had_no_more_time() -> None:
    async with split(disturb=list) as town:
        forever = asyncio.Event()

        async def hang(message: bytes) -> bytes:
            await forever.wait()
            return b""

        town.link.ask = hang  # type: ignore[method-assign]
        town.speaker.pace.round_trip.note(0.001)
        town.speaker.pace.edge_token.note(0.0)
        hasty = Answer(town.speaker, PROMPT, Draw(), MODES[0], 1, (NEVER,), time_limit_s=0.02)
        assert [said.by async for said in hasty.tokens()] == [By.ALONE]
    assert town.speaker.backoff.failures == 1


async def test_standalone_never_asks() -> None:
    async with split(disturb=list) as town:
        tokens, answer = await town.say(Mode(Kind.STANDALONE, 0.5), most=MOST)
        assert len(tokens) == MOST
        assert not answer.tally.alone
        assert isinstance(town.link, Disturbed)
        assert (town.link.asks, answer.traffic.up, town.desk.sessions) == (0, 0, 0)
