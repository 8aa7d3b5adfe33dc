"""The questions that a profile is made of: a JSON lines file."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policies.errors import ConfigurationError


class Question(BaseModel):
    """One line. Without `messages` the query is the whole dialogue; fields that are not named here are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    query_id: str = Field(min_length=1)
    query: str = Field(min_length=1)
    reference: str
    messages: tuple[dict[str, str], ...] = ()
    domain: str = ""

    @property
    def dialogue(self) -> list[dict[str, str]]:
        """What is asked, as OpenAI chat messages."""
        return list(self.messages) or [{"role": "user", "content": self.query}]


def read_questions(file: FilePath) -> tuple[Question, ...]:
    """All questions of `file`. Raises ConfigurationError with the number of the line that is wrong."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read as text ({error}); give a JSON lines file with --queries.") from None
    questions = tuple(_question(line, number, file) for number, line in enumerate(lines, start=1) if line.strip())
    if not questions:
        raise ConfigurationError(f"{file} has no questions; it needs one JSON object per line.")
    seen: set[str] = set()
    for question in questions:
        if question.query_id in seen:
            raise ConfigurationError(f"{file} has query_id {question.query_id!r} more than once; keep one of the lines.")
        seen.add(question.query_id)
    return questions


def _question(line: str, number: int, file: FilePath) -> Question:
    try:
        return Question.model_validate_json(line)
    except ValidationError as error:
        mistake: Any = error.errors(include_url=False)[0]
        place = ".".join(map(str, mistake["loc"])) or "the line"
        raise ConfigurationError(
            f"{file}, line {number}: {place}: {mistake['msg']}; a question has query_id, query and reference."
        ) from None
