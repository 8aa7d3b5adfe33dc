"""What an unmodified openai client may rely on."""

from __future__ import annotations

import base64

import numpy as np
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.contract.conftest import Service

pytestmark = [pytest.mark.cluster, pytest.mark.contract]

HELLO: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "Where is the cat?"},
]


def test_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="auto", messages=HELLO, temperature=0, max_tokens=64, user="me")
    assert answer.choices[0].message.content == "Where is the cat?"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_the_answer_tells_how_it_came_about(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=HELLO, extra_body={"slo": {"max_latency_s": 30, "max_cost_usd": 1}}
    )
    told = raw.parse().model_extra["isthmus"]
    assert told["path"] == raw.headers["x-isthmus-path"] == "none/none/none/large"
    assert told["site"] == raw.headers["x-isthmus-site"] == "cloud"
    assert told["decision_id"] == raw.headers["x-isthmus-decision-id"]
    assert told["slo_met"] is True
    assert told["link"].startswith("emulated")
    assert told["measured"]["latency_s"] > 0.002  # the link's round trip
    assert [stage["stage"] for stage in told["measured"]["stages"]] == ["generate"]
    assert told["feasible"] is True
    assert told["predicted"]["accuracy"] > 0.5
    assert told["predicted"]["latency_s"] <= told["predicted"]["latency_p90_s"]
    kept = client.get(f"/decisions/{told['decision_id']}", cast_to=dict[str, object])
    assert kept.items() >= told.items()


def test_a_pinned_path_answers_from_its_site(client: openai.OpenAI) -> None:
    for name in ("small", "none/none/none/small"):
        answer = client.chat.completions.create(model=name, messages=HELLO)
        assert answer.model_extra["isthmus"]["site"] == "home"
        assert answer.model_extra["isthmus"]["link"] is None


def test_max_tokens_cuts_and_says_so(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="auto", messages=HELLO, max_completion_tokens=2)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Where is", "length")


def test_stop_words_stop(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="auto", messages=HELLO, stop=" the")
    assert answer.choices[0].message.content == "Where is"


def test_a_stream_has_the_text_and_the_usage(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="small", messages=HELLO, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Where is the cat?"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 4
    assert chunks[-1].model_extra["isthmus"]["measured"]["ttft_s"] > 0


async def test_the_async_client_streams_too(async_client: openai.AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(model="auto", messages=HELLO, stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Where is the cat?"
    assert chunks[-1].model_extra["isthmus"]["site"] == "cloud"


def test_words_come_as_they_are_said(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="talker", messages=HELLO, stream=True)
    assert len([c for c in stream if c.choices[0].delta.content]) == 4


def test_closing_a_stream_early_stops_the_engine(client: openai.OpenAI) -> None:
    long: list[ChatCompletionMessageParam] = [{"role": "user", "content": "word " * 200}]  # 50 s at 4 words per second
    with client.chat.completions.create(model="talker", messages=long, stream=True) as stream:
        next(iter(stream))
    # The model has one place: this is in time only if the first answer left it.
    answer = client.chat.completions.create(model="talker", messages=HELLO, extra_body={"slo": {"max_latency_s": 25}})
    assert answer.choices[0].message.content == "Where is the cat?"


def test_plain_completions(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="small", prompt="Once upon a time")
    assert (answer.object, answer.choices[0].text) == ("text_completion", "Once upon a time")
    stream = client.completions.create(model="small", prompt="Once upon a time", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == "Once upon a time"


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert {"auto", "small", "large", "none/none/none/small"} <= set(names)
    assert client.models.retrieve("none/none/none/small").id == "none/none/none/small"


@pytest.mark.models
def test_embeddings(client: openai.OpenAI) -> None:
    texts = ["The lamp is broken.", "The light does not work.", "I like cheese."]
    found = client.embeddings.create(model="auto", input=texts)  # the client asks for base64
    vectors = np.array([row.embedding for row in found.data])
    assert vectors.shape == (3, 384)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert found.usage.total_tokens > 0
    plain = client.embeddings.create(model="auto", input=texts[0], encoding_format="float")
    assert np.allclose(plain.data[0].embedding, vectors[0], atol=1e-4)
    raw = client.embeddings.with_raw_response.create(model="auto", input=texts[0], encoding_format="base64").http_response.json()
    assert np.allclose(np.frombuffer(base64.b64decode(raw["data"][0]["embedding"]), "<f4"), vectors[0], atol=1e-4)


def test_health_and_readiness_need_no_key(service: Service) -> None:
    import httpx

    assert httpx.get(f"{service.url}/healthz").json() == {"status": "ok"}
    told = httpx.get(f"{service.url}/readyz").json()
    assert (told["status"], told["missing"]) == ("ready", [])
