"""The parts of a question, each searched for itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deployments import prompts
from deployments.preprocess.base import Ask, Prepared, Preprocessor, searches
from deployments.prompts import Message, question_of

_BULLET = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):])\s*")
_PARTS = 4  # a model that rambles must not cost a search for each of its lines


class Decompose(Preprocessor):
    """Searches with the question and its sub-questions (arXiv 2205.10625)."""

    async def prepare(self, dialogue: Sequence[Message], ask: Ask) -> Prepared:
        question = question_of(dialogue)
        lines = (await ask(prompts.decompose(question))).text.splitlines()
        parts = [_BULLET.sub("", line) for line in lines if line.strip()]
        return Prepared(question, searches(question, *parts[:_PARTS]))
