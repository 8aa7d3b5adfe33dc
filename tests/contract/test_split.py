"""A split model behind the OpenAI API: pinned, chosen, streamed, under load, and without its cloud."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import openai
import pytest

from tests.contract.conftest import LARGE, OTHERS, Service, write_profile

pytestmark = [pytest.mark.cluster, pytest.mark.contract, pytest.mark.models]

MODES = ("split@standalone", "split@0.8", "split@1", "split@verified@6")
QUESTION: Any = [{"role": "user", "content": OTHERS[2]}]


def whole(client: openai.OpenAI, model: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """Text and `isthmus` field of an answer in one piece."""
    answer = client.chat.completions.create(model=model, messages=QUESTION, temperature=0, **more)
    return answer.choices[0].message.content or "", dict(answer.model_extra["isthmus"])  # type: ignore[index]


def streamed(client: openai.OpenAI, model: str) -> tuple[str, dict[str, Any]]:
    """The same of one that came in pieces."""
    chunks = list(client.chat.completions.create(model=model, messages=QUESTION, temperature=0, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    return text, dict(chunks[-1].model_extra["isthmus"])  # type: ignore[index]


def test_each_mode_is_listed_and_can_be_pinned(client: openai.OpenAI) -> None:
    assert {*MODES, *(f"none/none/none/{mode}" for mode in MODES)} <= {model.id for model in client.models.list()}
    for mode in MODES:
        text, told = streamed(client, mode)
        assert text
        assert (told["path"], told["site"]) == (f"none/none/none/{mode}", "home")
        assert told["measured"]["stages"][-1]["option"] == mode
        assert whole(client, f"none/none/none/{mode}")[0] == text


def test_verified_says_what_the_whole_model_says_and_crosses_the_emulated_link(client: openai.OpenAI) -> None:
    text, told = whole(client, "split@1")
    assert whole(client, "split@verified@6")[0] == text
    assert told["link"] == "emulated: 2 ms round trip, unlimited bandwidth"
    assert told["reason"] == "named by the caller"
    assert whole(client, "split@standalone")[1]["link"] is None


def test_auto_chooses_it_where_the_profile_says_so(client: openai.OpenAI, service: Service) -> None:
    """The profile's files change under the running gateway, which takes them over after a while; and back."""
    split = "none/none/none/split@0.8"
    folder = service.file.parent / "profile"
    try:
        write_profile(folder, rest=split)
        while (told := streamed(client, "auto")[1])["path"] != split:  # the test's own time limit is the only other way out
            time.sleep(0.5)
        assert told["feasible"] is True
        assert told["predicted"]["accuracy"] > 0.5
    finally:
        write_profile(folder)
        while streamed(client, "auto")[1]["path"] != LARGE:
            time.sleep(0.5)


def test_what_is_private_stays_at_home(client: openai.OpenAI) -> None:
    private = {"extra_body": {"slo": {"privacy": "edge"}}}
    assert whole(client, "split@standalone", **private)[1]["link"] is None
    with pytest.raises(openai.UnprocessableEntityError, match="uses a model of the cloud"):
        whole(client, "split@0.8", **private)


async def test_under_load_beside_ordinary_paths(async_client: openai.AsyncOpenAI) -> None:
    async def ask(model: str) -> str:
        answer = await async_client.chat.completions.create(model=model, messages=QUESTION, temperature=0, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in answer if chunk.choices])

    alone = {model: await ask(model) for model in (*MODES, "small", "auto")}
    models = [model for model in alone for _ in range(4)]
    assert await asyncio.gather(*map(ask, models)) == [alone[model] for model in models]


def test_without_the_clouds_part_the_answer_is_marked_and_later_ones_use_it_again(
    client: openai.OpenAI, service: Service
) -> None:
    text, _ = whole(client, "split@1")
    (part,) = service.replicas("split.cloud")
    os.kill(part.pid, signal.SIGKILL)
    part.wait(30)
    alone, told = whole(client, "split@1")
    assert alone
    assert "tokens without the cloud (" in told["reason"]
    while "without the cloud" in told["reason"]:  # the test's own time limit is the only other way out
        again, told = whole(client, "split@1")
    assert again == text
