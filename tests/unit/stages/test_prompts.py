from deployments import prompts
from deployments.prompts import Message

SYSTEM: Message = {"role": "system", "content": "Be brief."}
ASKED: Message = {"role": "user", "content": "Where is it?"}
SAID: Message = {"role": "assistant", "content": "In the hall."}


def test_without_passages_the_dialogue_is_put_as_it_is() -> None:
    assert prompts.answer([SYSTEM, ASKED], []) == [SYSTEM, ASKED]


def test_passages_stand_before_the_last_question() -> None:
    assert prompts.answer([ASKED, SAID, ASKED], ["one", "two"]) == [
        {"role": "system", "content": prompts.ANSWER},
        ASKED,
        SAID,
        {"role": "user", "content": "[1] one\n[2] two\n\nWhere is it?"},
    ]


def test_the_callers_system_message_follows_ours() -> None:
    first, *rest = prompts.answer([SYSTEM, ASKED, SYSTEM, SAID, ASKED], ["one"])
    assert first == {"role": "system", "content": f"{prompts.ANSWER}\n\nBe brief.\n\nBe brief."}
    assert [turn["role"] for turn in rest] == ["user", "assistant", "user"]


def test_an_answer_that_was_begun_stays_last() -> None:
    assert prompts.answer([ASKED, SAID], ["one"])[1:] == [{"role": "user", "content": "[1] one\n\nWhere is it?"}, SAID]


def test_a_dialogue_without_a_user_is_asked_by_its_last_turn() -> None:
    assert prompts.answer([SYSTEM], ["one"])[-1] == {"role": "user", "content": "[1] one\n\nBe brief."}
    assert prompts.question_of([SAID]) == "In the hall."
