from collections.abc import Sequence

import pytest

from deployments import prompts
from deployments.messages import Completion, StageReport
from deployments.preprocess import PREPROCESSORS, Ask
from deployments.prompts import Message

QUESTION = "And how is it cleaned?"
DIALOGUE: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where does the oven stand?"},
    {"role": "assistant", "content": "In the kitchen."},
    {"role": "user", "content": QUESTION},
]


class Model:
    """Answers every prompt with the same text and keeps the prompts."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.prompts: list[list[Message]] = []

    async def ask(self, messages: Sequence[Message]) -> Completion:
        self.prompts.append(list(messages))
        return Completion(self.text, "stop", StageReport("generate", "edge", "home", 0.5, 10, 3, 0.001, 2.0))


def no_model() -> Ask:
    async def ask(messages: Sequence[Message]) -> Completion:
        raise AssertionError(f"the model was asked: {messages}")

    return ask


async def test_none_searches_with_the_last_question() -> None:
    prepared = await PREPROCESSORS["none"]().prepare(DIALOGUE, no_model())
    assert (prepared.question, prepared.searches) == (QUESTION, (QUESTION,))


async def test_rewrite_replaces_the_question() -> None:
    model = Model(" How is the oven cleaned?\n")
    prepared = await PREPROCESSORS["rewrite"]().prepare(DIALOGUE, model.ask)
    assert (prepared.question, prepared.searches) == ("How is the oven cleaned?", ("How is the oven cleaned?",))
    assert model.prompts == [prompts.rewrite(DIALOGUE[1:])]


@pytest.mark.parametrize("dialogue", [DIALOGUE[-1:], [DIALOGUE[0], DIALOGUE[-1]]])
async def test_rewrite_asks_nobody_about_a_single_turn(dialogue: list[Message]) -> None:
    prepared = await PREPROCESSORS["rewrite"]().prepare(dialogue, no_model())
    assert (prepared.question, prepared.searches) == (QUESTION, (QUESTION,))


async def test_rewrite_shows_only_the_latest_turns_of_a_long_dialogue() -> None:
    model = Model("x")
    await PREPROCESSORS["rewrite"]().prepare([*DIALOGUE[1:3] * 50, DIALOGUE[-1]], model.ask)
    assert len(model.prompts[0][-1]["content"].splitlines()) == 7


@pytest.mark.parametrize(
    ("option", "text", "searches"),
    [
        ("step_back", " How are ovens cared for?\n", (QUESTION, "How are ovens cared for?")),
        ("hyde", "Wipe the oven with a cloth.", (QUESTION, "Wipe the oven with a cloth.")),
        ("decompose", "1. Which oven?\n2) How?\n\n- With what?\n", (QUESTION, "Which oven?", "How?", "With what?")),
        ("decompose", f"{QUESTION}\nWhat is it?\nWhat is it?", (QUESTION, "What is it?")),
        ("decompose", "\n".join("abcdefgh"), (QUESTION, "a", "b", "c", "d")),
    ],
)
async def test_searches_beside_the_question(option: str, text: str, searches: tuple[str, ...]) -> None:
    model = Model(text)
    prepared = await PREPROCESSORS[option]().prepare(DIALOGUE, model.ask)
    assert (prepared.question, prepared.searches) == (QUESTION, searches)
    assert model.prompts == [getattr(prompts, option)(QUESTION)]


@pytest.mark.parametrize("option", ["rewrite", "step_back", "hyde", "decompose"])
@pytest.mark.parametrize("text", ["", " \n\n"])
async def test_an_empty_answer_leaves_the_question(option: str, text: str) -> None:
    prepared = await PREPROCESSORS[option]().prepare(DIALOGUE, Model(text).ask)
    assert (prepared.question, prepared.searches) == (QUESTION, (QUESTION,))


@pytest.mark.parametrize("option", ["rewrite", "step_back", "hyde", "decompose"])
async def test_what_the_model_raises_is_raised(option: str) -> None:
    async def ask(messages: Sequence[Message]) -> Completion:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await PREPROCESSORS[option]().prepare(DIALOGUE, ask)
