"""The words that are put to a language model, in one place.

Each function returns OpenAI chat messages. Preprocessors, the answer step and the training of the
demo models all call these, so that what a model was trained on is what it is asked.
"""

from collections.abc import Sequence
from typing import Literal, TypedDict


class Message(TypedDict):
    """One turn of a dialogue, as the OpenAI chat API has it."""

    role: Literal["system", "user", "assistant"]
    content: str


ANSWER = "Answer from the numbered passages. If they do not say, reply: not stated."
REWRITE = "Rewrite the last question so that it can be understood alone."
STEP_BACK = "Write the more general question behind this one."
HYDE = "Write a short passage that could answer this question."
DECOMPOSE = "Split this question into simpler ones, one per line."


def answer(dialogue: Sequence[Message], passages: Sequence[str]) -> list[Message]:
    """The dialogue with numbered `passages` in its last user turn, before the question; unchanged when there are none.

    System messages of the caller follow ours in one message, since many chat templates allow but one.
    """
    if not passages:
        return list(dialogue)
    numbered = "\n".join(f"[{i}] {text}" for i, text in enumerate(passages, start=1))
    asked = replace_question(dialogue, f"{numbered}\n\n{question_of(dialogue)}")
    instructions = [ANSWER, *(turn["content"] for turn in asked if turn["role"] == "system")]
    turns = [turn for turn in asked if turn["role"] != "system"]
    return [{"role": "system", "content": "\n\n".join(instructions)}, *turns]


def question_of(dialogue: Sequence[Message]) -> str:
    """The text of the last user turn; of the last turn when the user has none."""
    return dialogue[_asked_at(dialogue)]["content"]


def replace_question(dialogue: Sequence[Message], question: str) -> list[Message]:
    """The dialogue with `question` in the place of the one that `question_of` returns."""
    at = _asked_at(dialogue)
    return [*dialogue[:at], {"role": "user", "content": question}, *dialogue[at + 1 :]]


def rewrite(dialogue: Sequence[Message]) -> list[Message]:
    """Ask for the stand-alone form of the last question of `dialogue`."""
    turns = "\n".join(f"{turn['role']}: {turn['content']}" for turn in dialogue)
    return _instruct(REWRITE, turns)


def step_back(question: str) -> list[Message]:
    """Ask for the general question behind `question` (step-back prompting, arXiv 2310.06117)."""
    return _instruct(STEP_BACK, question)


def hyde(question: str) -> list[Message]:
    """Ask for a hypothetical document that answers `question` (HyDE, arXiv 2212.10496)."""
    return _instruct(HYDE, question)


def decompose(question: str) -> list[Message]:
    """Ask for the sub-questions of `question`, one per line (least-to-most, arXiv 2205.10625)."""
    return _instruct(DECOMPOSE, question)


def _asked_at(dialogue: Sequence[Message]) -> int:
    by_user = [position for position, turn in enumerate(dialogue) if turn["role"] == "user"]
    return by_user[-1] if by_user else len(dialogue) - 1


def _instruct(instruction: str, text: str) -> list[Message]:
    return [{"role": "system", "content": instruction}, {"role": "user", "content": text}]
