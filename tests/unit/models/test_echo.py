"""The echo: tokens, limits and accounts without a model."""

import pytest

from cluster.config import EchoModel, Price
from deployments.messages import GenerateRequest, Sampling
from deployments.models.echo import EchoEngine
from policies.errors import ContextTooLong


def engine(**config: object) -> EchoEngine:
    return EchoEngine("parrot", "home", EchoModel.model_validate({"engine": "echo", **config}))


def ask(text: str, max_tokens: int = 64, stop: tuple[str, ...] = ()) -> GenerateRequest:
    messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": text})
    return GenerateRequest("r1", Sampling(max_tokens, stop=stop), messages=messages)


async def test_it_repeats_the_last_user_message():
    answer = await engine().complete(ask("turn on  the lamp"))
    assert (answer.text, answer.finish_reason) == ("turn on  the lamp", "stop")
    assert (answer.report.prompt_tokens, answer.report.completion_tokens) == (6, 4)


async def test_it_repeats_a_raw_prompt():
    answer = await engine().complete(GenerateRequest("r1", Sampling(8), prompt="once upon"))
    assert (answer.text, answer.report.prompt_tokens) == ("once upon", 2)


async def test_it_stops_at_max_tokens():
    answer = await engine().complete(ask("one two three", max_tokens=2))
    assert (answer.text, answer.finish_reason, answer.report.completion_tokens) == ("one two", "length", 2)


async def test_it_stops_before_a_stop_string():
    answer = await engine(tokens_per_s=1000).complete(ask("one two three four", stop=("two t",)))
    assert (answer.text, answer.finish_reason, answer.report.completion_tokens) == ("one ", "stop", 3)


async def test_with_a_speed_words_come_one_by_one():
    texts = [delta.text async for delta in engine(tokens_per_s=1000).stream(ask("one two three"))]
    assert texts == ["one", " two", " three", ""]


async def test_the_report_is_complete():
    price = Price(prompt_usd_per_mtok=1.0, completion_usd_per_mtok=10.0)
    report = (await engine(price=price, delay_s=0.001).complete(ask("one two"))).report
    assert (report.stage, report.option, report.site) == ("generate", "parrot", "home")
    assert report.cost_usd == pytest.approx((4 * 1 + 2 * 10) / 1e6)
    assert report.seconds >= 0.001
    assert report.energy_j > 0 or report.energy_source == "measured"


async def test_a_prompt_beyond_the_context_is_refused_with_the_numbers():
    with pytest.raises(ContextTooLong, match="4 tokens and asks for 64 more, but the context of parrot holds 50"):
        await engine(context_tokens=50).complete(ask("one two"))
