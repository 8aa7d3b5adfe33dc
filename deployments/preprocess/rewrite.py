"""A question that can be understood alone, out of a dialogue."""

from __future__ import annotations

from collections.abc import Sequence

from deployments import prompts
from deployments.preprocess.base import Ask, Prepared, Preprocessor
from deployments.prompts import Message, question_of

_TURNS = 7  # three exchanges and the question: what it refers to is rarely further back, and small models read little


class Rewrite(Preprocessor):
    """Puts the rewritten question in the place of the last one; a question without a dialogue before it stays as it is."""

    async def prepare(self, dialogue: Sequence[Message], ask: Ask) -> Prepared:
        turns = [turn for turn in dialogue if turn["role"] != "system"][-_TURNS:]
        question = question_of(dialogue)
        if len(turns) > 1:
            question = (await ask(prompts.rewrite(turns))).text.strip() or question
        return Prepared(question, (question,))
