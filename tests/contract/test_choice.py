"""`auto` by a profile: what an unmodified openai client sees of the choice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from cluster.config import load
from cluster.log import profile_from_log, read_log
from tests.contract.conftest import KEY, LAMPS, LARGE, OTHERS, SMALL, Service

pytestmark = [pytest.mark.cluster, pytest.mark.contract, pytest.mark.models]


def ask(client: openai.OpenAI, *turns: str, **slo: Any) -> dict[str, Any]:
    """The answer's `isthmus` field. The user begins."""
    answer = client.chat.completions.create(model="auto", messages=dialogue(*turns), extra_body={"slo": slo})
    assert answer.choices[0].message.content == turns[-1]
    return dict(answer.model_extra["isthmus"])


def dialogue(*turns: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(turns)]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("question", "path", "site"), [("Is the lamp in the study on?", SMALL, "home"), ("Where is the goat?", LARGE, "cloud")]
)
def test_each_question_takes_the_path_that_suits_it(client: openai.OpenAI, question: str, path: str, site: str) -> None:
    told = ask(client, question)
    assert (told["path"], told["site"], told["feasible"]) == (path, site, True)
    assert told["predicted"]["accuracy"] > 0.5
    assert "expected accuracy" in told["reason"]


def test_a_limit_changes_the_path(client: openai.OpenAI) -> None:
    told = ask(client, OTHERS[0], max_cost_usd=5e-5)
    assert (told["path"], told["feasible"]) == (SMALL, True)
    assert told["slo_met"] is (told["measured"]["cost_usd"] <= 5e-5)


def test_no_path_keeps_the_limit(client: openai.OpenAI) -> None:
    told = ask(client, OTHERS[0], max_energy_j=0.5)
    assert (told["path"], told["feasible"]) == (SMALL, False)
    assert ask(client, OTHERS[0], max_energy_j=0.5, on_infeasible="cheapest")["path"] == SMALL
    with pytest.raises(
        openai.UnprocessableEntityError, match=r"max_energy_j 0\.5: the best that can be expected is 2"
    ) as refused:
        ask(client, OTHERS[0], max_energy_j=0.5, on_infeasible="reject")
    assert (refused.value.code, refused.value.param) == ("infeasible_slo", "slo.max_energy_j")


def test_an_unfamiliar_question_takes_the_default_path(client: openai.OpenAI) -> None:
    told = ask(client, "Quarterly revenue rose by seven percent in all segments.")
    assert told["path"] == LARGE
    assert told["reason"].startswith("unlike every profiled query")


@pytest.mark.parametrize("stream", [False, True])
def test_a_dialogue_stays_on_its_path_while_it_can(client: openai.OpenAI, stream: bool) -> None:
    first = f"{OTHERS[1]} {'Streamed.' if stream else 'Whole.'}"
    answer = client.chat.completions.create(model="auto", messages=dialogue(first), stream=stream)  # type: ignore[call-overload]
    said = "".join(c.choices[0].delta.content or "" for c in answer) if stream else answer.choices[0].message.content
    assert ask(client, LAMPS[0])["path"] == SMALL
    stayed = ask(client, first, said, LAMPS[0])
    assert (stayed["path"], stayed["reason"]) == (LARGE, "the dialogue stays on its path, which keeps the limits")
    left = ask(client, first, said, LAMPS[0], max_cost_usd=5e-5)
    assert left["path"] == SMALL
    assert f"had to leave {LARGE}" in left["reason"]


def test_a_dry_run_shows_what_was_weighed(client: openai.OpenAI) -> None:
    body = {"model": "auto", "messages": dialogue(OTHERS[0]), "slo": {"max_cost_usd": 5e-5}}
    told = client.post("/route", body=body, cast_to=dict[str, Any])
    assert (told["path"], told["site"], told["feasible"]) == (SMALL, "home", True)
    why = {row["path"]: row["why"] for row in told["candidates"]}
    assert why[SMALL] == "chosen"
    assert "max_cost_usd" in why[LARGE]
    assert client.get(f"/decisions/{told['decision_id']}", cast_to=dict[str, Any]) == told


def test_a_decision_can_be_looked_at_after_it_was_run(client: openai.OpenAI) -> None:
    told = ask(client, LAMPS[2])
    kept = client.get(f"/decisions/{told['decision_id']}", cast_to=dict[str, Any])
    assert [(row["path"], row["kept"]) for row in kept["candidates"]] == [(SMALL, True), (LARGE, True)]
    assert kept["candidates"][0]["predicted"] == told["predicted"]


def test_the_command_line_asks_the_running_system(service: Service) -> None:
    command = [sys.executable, "-m", "cluster.cli", "route", OTHERS[0], "--config", str(service.file)]
    variables = {**os.environ, "CONTRACT_KEYS": KEY}
    run = subprocess.run([*command, "--json"], env=variables, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout)["path"] == LARGE
    shown = subprocess.run([*command, "--max-energy-j", "0.5"], env=variables, capture_output=True, text=True, check=True).stdout
    assert "no path keeps the limits" in shown
    refused = subprocess.run(
        [*command, "--max-energy-j", "0.5", "--on-infeasible", "reject"], env=variables, capture_output=True, text=True
    )
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "No path keeps max_energy_j" in refused.stderr


def test_feedback_becomes_a_profile(service: Service, client: openai.OpenAI) -> None:
    config = load(service.file)
    assert config.log is not None
    assert config.log.url is not None
    good, bad = ask(client, LAMPS[3]), ask(client, OTHERS[3])
    for told, score in ((good, 1.0), (bad, 0.25)):
        client.post("/feedback", body={"decision_id": told["decision_id"], "score": score}, cast_to=dict[str, Any])
    until = time.monotonic() + 60
    while {good["decision_id"], bad["decision_id"]} - {
        row.decision_id for row in read_log(config.log.url) if row.score is not None
    }:
        assert time.monotonic() < until, "the feedback was not written"
        time.sleep(0.1)
    profile = profile_from_log(config.log.url, config).profile
    accuracy = {
        (query, path): profile.accuracy[row, column]
        for row, query in enumerate(profile.queries)
        for column, path in enumerate(profile.paths)
    }
    assert (accuracy[LAMPS[3], SMALL], accuracy[OTHERS[3], LARGE]) == (1.0, 0.25)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"decision_id": "nothing", "score": 1}, openai.NotFoundError),
        ({"decision_id": "nothing", "score": 2}, openai.BadRequestError),
        ({"score": 1}, openai.BadRequestError),
    ],
)
def test_bad_feedback_is_refused(client: openai.OpenAI, body: dict[str, Any], kind: type[openai.APIStatusError]) -> None:
    with pytest.raises(kind):
        client.post("/feedback", body=body, cast_to=dict[str, Any])
