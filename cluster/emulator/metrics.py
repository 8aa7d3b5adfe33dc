"""How a measured answer is scored, by name or import path."""

from __future__ import annotations

import importlib
import json
import math
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path as FilePath

import httpx

from cluster.emulator.questions import Question
from cluster.emulator.system import System
from policies import metrics
from policies.errors import ConfigurationError, IsthmusError, nearest

Score = Callable[[Question, str], Awaitable[float]]
"""From a question and an answer to 0..1. Raises Unscored when this answer cannot be scored now."""
Plain = Callable[[str, str], float]
"""From an answer and its reference to 0..1."""

JUDGE = (
    "You grade answers. Compare the answer with the reference for the question. Reply with one number from 0 (wrong) to 1 "
    "(says the same as the reference), nothing else."
)
_NUMBER = re.compile(r"\d*\.?\d+")


class Unscored(IsthmusError):
    """The answer could not be scored; it counts as not measured."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Any OpenAI-compatible model that grades answers: `url` up to and including /v1."""

    url: str
    model: str
    key: str | None = None
    timeout_s: float = 60.0
    transport: httpx.AsyncBaseTransport | None = None

    async def score(self, question: Question, answer: str) -> float:
        text = f"Question: {question.query}\nReference: {question.reference}\nAnswer: {answer}\nGrade:"
        body = {
            "model": self.model,
            "temperature": 0,
            "messages": [{"role": "system", "content": JUDGE}, {"role": "user", "content": text}],
        }
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            async with httpx.AsyncClient(timeout=self.timeout_s, transport=self.transport) as client:
                response = await client.post(f"{self.url.rstrip('/')}/chat/completions", json=body, headers=headers)
            response.raise_for_status()
            said = str(response.json()["choices"][0]["message"]["content"])
        except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
            raise Unscored(f"The judge {self.model} at {self.url} gave no grade: {error or type(error).__name__}") from error
        number = _NUMBER.search(said)
        if number is None or not 0 <= float(number[0]) <= 1:
            raise Unscored(f"The judge {self.model} replied {said[:80]!r} instead of a number from 0 to 1")
        return float(number[0])


def automatic(answer: str, reference: str) -> float:
    """JSON equality where the reference is a JSON object or array, token F1 elsewhere."""
    return metrics.json_equal(answer, reference) if _is_structured(reference) else metrics.token_f1(answer, reference)


PLAIN: dict[str, Plain] = {
    "auto": automatic,
    "exact": metrics.exact_match,
    "f1": metrics.token_f1,
    "json": metrics.json_equal,
}
NAMES = (*PLAIN, "embedding", "judge")


def open_metric(name: str, system: System, judge: Judge | None) -> Score:
    """The metric `name`, or the function `module:function`, which takes an answer and its reference.

    Raises ConfigurationError for a name that does not exist, and for the metric `judge` without a judge.
    """
    if name == "embedding":
        return _Embedding(system).score
    if name == "judge":
        if judge is None:
            raise ConfigurationError("The metric 'judge' needs a model that grades: give --judge-url and --judge-model.")
        return judge.score
    if ":" in name:
        return _checked(_imported(name), name)
    if name not in PLAIN:
        raise ConfigurationError(
            f"No metric is called {name!r}{nearest(name, NAMES)}; there are {', '.join(NAMES)}, or your own as module:function."
        )
    return _checked(PLAIN[name], name)


@dataclass(frozen=True, slots=True)
class _Embedding:
    """Cosine of the vectors of answer and reference by the system's own encoder, 0 where it is negative."""

    system: System

    async def score(self, question: Question, answer: str) -> float:
        if not answer.strip() or not question.reference.strip():
            return float(answer.strip() == question.reference.strip())
        left, right = await self.system.embed([answer, question.reference])
        return min(1.0, max(0.0, float(left @ right)))


def _imported(name: str) -> Plain:
    module, _, attribute = name.partition(":")
    here = str(FilePath.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # the script `isthmus` does not look in the current folder
    try:
        function: Plain = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"The metric {name!r} cannot be imported ({error}); write it as module:function.") from None
    if not callable(function):
        raise ConfigurationError(f"The metric {name!r} is no function.")
    return function


def _checked(function: Plain, name: str) -> Score:
    async def score(question: Question, answer: str) -> float:
        value = function(answer, question.reference)
        if isinstance(value, bool | int | float) and math.isfinite(value) and 0 <= value <= 1:
            return float(value)
        raise ConfigurationError(f"The metric {name!r} gave {value!r} for an answer; it must give a number from 0 to 1.")

    return score


def _is_structured(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False
