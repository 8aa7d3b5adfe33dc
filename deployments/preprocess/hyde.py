"""A passage as it might stand in the documents, searched beside the question."""

from __future__ import annotations

from collections.abc import Sequence

from deployments import prompts
from deployments.preprocess.base import Ask, Prepared, Preprocessor, searches
from deployments.prompts import Message, question_of


class Hyde(Preprocessor):
    """Searches with the question and a hypothetical answer (arXiv 2212.10496)."""

    async def prepare(self, dialogue: Sequence[Message], ask: Ask) -> Prepared:
        question = question_of(dialogue)
        passage = (await ask(prompts.hyde(question))).text
        return Prepared(question, searches(question, passage))
