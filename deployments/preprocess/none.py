"""The question as it is."""

from __future__ import annotations

from collections.abc import Sequence

from deployments.preprocess.base import Ask, Prepared, Preprocessor
from deployments.prompts import Message, question_of


class AsAsked(Preprocessor):
    """Searches with the last question; calls no model."""

    async def prepare(self, dialogue: Sequence[Message], ask: Ask) -> Prepared:
        question = question_of(dialogue)
        return Prepared(question, (question,))
