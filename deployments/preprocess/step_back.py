"""The principle behind a question, searched beside it."""

from __future__ import annotations

from collections.abc import Sequence

from deployments import prompts
from deployments.preprocess.base import Ask, Prepared, Preprocessor, searches
from deployments.prompts import Message, question_of


class StepBack(Preprocessor):
    """Searches with the question and the more general one behind it (arXiv 2310.06117)."""

    async def prepare(self, dialogue: Sequence[Message], ask: Ask) -> Prepared:
        question = question_of(dialogue)
        general = (await ask(prompts.step_back(question))).text
        return Prepared(question, searches(question, general))
