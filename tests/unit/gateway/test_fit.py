"""Passages are shortened until the prompt fits, and a prompt that cannot fit is refused with its numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import prompts
from deployments.gateway.fit import Prepared, fitting
from deployments.messages import Passage
from deployments.prompts import Message
from policies.errors import ContextTooLong

QUESTION: Message = {"role": "user", "content": "How heavy is it?"}


def prepared(texts: list[str]) -> Prepared:
    passages = tuple(Passage(str(i), "", text, 1.0, f"manual.txt#{i}") for i, text in enumerate(texts))
    return Prepared(tuple(prompts.answer([QUESTION], texts)), (QUESTION,), passages)


class SmallModel:
    """Stands in for an engine: counts a token per character, and refuses what exceeds its context."""

    def __init__(self, context_tokens: int, max_tokens: int = 10) -> None:
        self.context_tokens, self.max_tokens = context_tokens, max_tokens
        self.asked = 0

    async def ask(self, prompt: Prepared) -> Prepared:
        self.asked += 1
        tokens = sum(len(turn["content"]) for turn in prompt.messages)
        if tokens + self.max_tokens > self.context_tokens:
            raise ContextTooLong("small", tokens, self.max_tokens, self.context_tokens)
        return prompt


async def test_what_fits_is_asked_once_and_unchanged() -> None:
    model, prompt = SmallModel(10_000), prepared(["It weighs 3 kg."])
    assert await fitting(prompt, model.ask) is prompt
    assert model.asked == 1


@given(st.lists(st.integers(1, 400), min_size=1, max_size=5), st.integers(1, 12))
async def test_every_source_stays_and_the_prompt_fits(words: list[int], length: int) -> None:
    model = SmallModel(context_tokens=600)
    answered = await fitting(prepared([" ".join(["w" * length] * count) for count in words]), model.ask)
    assert [passage.passage_id for passage in answered.passages] == [str(i) for i in range(len(words))]
    assert all(passage.text for passage in answered.passages)
    assert answered.messages[-1]["content"].endswith(QUESTION["content"])


async def test_a_question_that_is_too_long_by_itself_is_refused() -> None:
    model = SmallModel(context_tokens=80)
    with pytest.raises(ContextTooLong) as refused:
        await fitting(prepared(["It weighs 3 kg."]), model.ask)
    assert refused.value.context_tokens == 80


async def test_without_passages_nothing_can_be_shortened() -> None:
    model = SmallModel(context_tokens=5)
    with pytest.raises(ContextTooLong):
        await fitting(Prepared((QUESTION,), (QUESTION,)), model.ask)
    assert model.asked == 1
