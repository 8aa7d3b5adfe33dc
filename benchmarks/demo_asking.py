"""Questions put to the running system by an `openai` client, each answer on disk when it is counted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import openai

from cluster.emulator import Question
from policies.metrics import exact_match
from policies.types import Slo

BLOCK = 60
"""Questions that one policy asks before the next has its turn: few enough that noise of the machine meets all policies, so
many that the engines' caches have forgotten a question when the next policy asks it."""
LATE = 504


@dataclass(frozen=True, slots=True)
class Ask:
    """One question of one policy: to a path, or to `auto`."""

    policy: str
    question: Question
    model: str
    slo: Slo


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back. `seconds` are the client's, all else is what the answer says of itself; `right` is 0 or 1.

    A time limit that passed is an answer, too: none, and the limit not kept; what it cost is not told.
    """

    policy: str
    query_id: str
    path: str
    reason: str
    answer: str
    right: float
    seconds: float
    cost_usd: float
    energy_j: float
    feasible: bool
    limit_s: float | None
    kept: bool


class Asker:
    """Asks what was not asked before a stop; one question at a time, so that no answer waits for another."""

    def __init__(self, file: Path) -> None:
        """`file` keeps the answers; a line that a kill cut off is dropped."""
        self._file = file
        whole = file.read_text(encoding="utf-8").rpartition("\n")[0] if file.exists() else ""
        file.write_text(f"{whole}\n" if whole else "", encoding="utf-8")
        self.answers = [Answered(**json.loads(line)) for line in whole.splitlines()]

    def ask_all(
        self, url: str, asks: Sequence[Ask], prepare: Callable[[str], None], progress: Callable[[str, int, int], None]
    ) -> None:
        """Policies in turn, a block of questions each, after `prepare` has made ready for the policy. Raises openai.OpenAIError
        for an answer that does not come."""
        done = {(answer.policy, answer.query_id) for answer in self.answers}
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client, self._file.open("a") as out:
            for number, ask in enumerate(_in_turn(asks), start=1):
                if (ask.policy, ask.question.query_id) not in done:
                    prepare(ask.policy)
                    answer = _answered(client, ask)
                    out.write(json.dumps(asdict(answer)) + "\n")
                    out.flush()
                    self.answers.append(answer)
                progress(ask.policy, number, len(asks))


def _in_turn(asks: Sequence[Ask]) -> Iterable[Ask]:
    by_policy: dict[str, list[Ask]] = {}
    for ask in asks:
        by_policy.setdefault(ask.policy, []).append(ask)
    longest = max(map(len, by_policy.values()))
    for start in range(0, longest, BLOCK):
        for each in by_policy.values():
            yield from each[start : start + BLOCK]


def _late(ask: Ask, error: openai.APIStatusError, seconds: float) -> Answered:
    path = error.response.headers.get("x-isthmus-path", ask.model)
    return Answered(
        policy=ask.policy,
        query_id=ask.question.query_id,
        path=path,
        reason=error.message,
        answer="",
        right=0.0,
        seconds=seconds,
        cost_usd=0.0,
        energy_j=0.0,
        feasible=True,
        limit_s=ask.slo.max_latency_s,
        kept=False,
    )


def _answered(client: openai.OpenAI, ask: Ask) -> Answered:
    limits = {} if ask.slo.max_latency_s is None else {"slo": {"max_latency_s": ask.slo.max_latency_s}}
    began = time.perf_counter()
    try:
        reply = client.chat.completions.create(
            model=ask.model,
            messages=ask.question.dialogue,  # type: ignore[arg-type]
            extra_body=limits,
        )
    except openai.InternalServerError as error:
        if error.status_code != LATE or ask.slo.max_latency_s is None:
            raise
        return _late(ask, error, time.perf_counter() - began)
    seconds = time.perf_counter() - began
    told: dict[str, Any] = (reply.model_extra or {})["isthmus"]
    text = reply.choices[0].message.content or ""
    return Answered(
        policy=ask.policy,
        query_id=ask.question.query_id,
        path=told["path"],
        reason=told["reason"],
        answer=text,
        right=exact_match(text, ask.question.reference),
        seconds=seconds,
        cost_usd=told["measured"]["cost_usd"],
        energy_j=told["measured"]["energy_j"],
        feasible=told["feasible"],
        limit_s=ask.slo.max_latency_s,
        kept=told["slo_met"],
    )
