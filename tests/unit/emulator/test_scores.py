"""What each metric says of an answer, and of a wrong name."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from cluster.emulator import Question, System
from cluster.emulator.metrics import Judge, Unscored, open_metric
from policies.errors import ConfigurationError
from tests.unit.emulator.conftest import FakeGateway

LAMP = Question(query_id="q", query="Which lamp?", reference="The lamp in the hall.")
COMMAND = Question(query_id="q", query="Lamp on", reference='{"device": "lamp", "on": true}')


@pytest.fixture
def system(gateway: FakeGateway) -> System:
    return System(gateway.url, None, 10.0)


@pytest.mark.parametrize(
    ("name", "question", "answer", "score"),
    [
        ("auto", LAMP, "lamp in kitchen", 2 / 3),
        ("auto", COMMAND, '{"on":true,"device":"lamp"}', 1.0),
        ("auto", COMMAND, '{"device": "lamp"}', 0.0),
        ("exact", LAMP, "lamp in kitchen", 0.0),
        ("exact", LAMP, "The lamp, in the hall", 1.0),
        ("f1", COMMAND, "nothing like it", 0.0),
        ("json", LAMP, "The lamp in the hall.", 0.0),
        ("embedding", LAMP, "The lamp in the hall.", 1.0),
        ("embedding", LAMP, "", 0.0),
    ],
)
async def test_scores(system: System, name: str, question: Question, answer: str, score: float) -> None:
    assert await open_metric(name, system, None)(question, answer) == pytest.approx(score, abs=1e-6)


async def test_a_function_of_one_s_own(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_metric.py").write_text("def length(answer, reference):\n    return len(answer) / len(reference)\n")
    monkeypatch.chdir(tmp_path)
    score = open_metric("my_metric:length", system, None)
    assert await score(LAMP, "The lamp") == pytest.approx(8 / 21)
    with pytest.raises(ConfigurationError, match=r"gave 2\.0"):
        await score(LAMP, "x" * 42)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("exakt", "did you mean 'exact'"),
        ("no_such_module:f", "cannot be imported"),
        ("json:nothing", "cannot be imported"),
        ("judge", "give --judge-url and --judge-model"),
    ],
)
def test_names_that_do_not_exist(system: System, name: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        open_metric(name, system, None)


def judge(reply: httpx.Response) -> Judge:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer secret"
        assert LAMP.reference in request.content.decode()
        return reply

    return Judge("http://judge/v1", "big", "secret", transport=httpx.MockTransport(answer))


async def test_a_judge_grades(system: System) -> None:
    reply = httpx.Response(200, json={"choices": [{"message": {"content": "Grade: 0.75"}}]})
    assert await open_metric("judge", system, judge(reply))(LAMP, "the hall") == 0.75


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(500, text="tired"),
        httpx.Response(200, text="no json"),
        httpx.Response(200, json={"choices": []}),
        httpx.Response(200, json={"choices": [{"message": {"content": "Good!"}}]}),
        httpx.Response(200, json={"choices": [{"message": {"content": "7 of 10"}}]}),
    ],
)
async def test_a_judge_that_gives_no_grade_leaves_the_answer_unscored(system: System, reply: httpx.Response) -> None:
    with pytest.raises(Unscored, match="judge"):
        await open_metric("judge", system, judge(reply))(LAMP, "the hall")
