"""Bad input: each gets one sentence and a status below 500, as the openai client's own exceptions."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from tests.contract.conftest import KEY, Service

pytestmark = [pytest.mark.cluster, pytest.mark.contract]


def ask(client: openai.OpenAI, content: Any = "hello", **fields: Any) -> Any:
    model = fields.pop("model", "auto")
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}], **fields)


@pytest.mark.parametrize(
    ("fields", "kind", "code", "words"),
    [
        ({"model": "none/none/none/smal"}, openai.NotFoundError, "model_not_found", "Did you mean 'none/none/none/small'?"),
        ({"model": "gpt-4"}, openai.NotFoundError, "model_not_found", "GET /v1/models"),
        ({"n": 3}, openai.BadRequestError, "invalid_request", "'n'"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, openai.BadRequestError, "invalid_request", "'tools'"),
        ({"temperature": 9}, openai.BadRequestError, "invalid_request", "'temperature'"),
        ({"extra_body": {"slo": {"max_latency_s": -1}}}, openai.BadRequestError, "invalid_request", "'slo.max_latency_s'"),
        ({"extra_body": {"slo": {"max_lateny_s": 1}}}, openai.BadRequestError, "invalid_request", "'slo.max_lateny_s'"),
        ({"extra_headers": {"x-slo-max-latency-s": "nan"}}, openai.BadRequestError, "invalid_request", "'x-slo-max-latency-s'"),
        (
            {"extra_headers": {"x-slo-privacy": "edge"}, "model": "large"},
            openai.UnprocessableEntityError,
            "infeasible_slo",
            "privacy",
        ),
        ({"content": "word " * 3000}, openai.BadRequestError, "context_length_exceeded", "2048"),
        ({"max_tokens": 5000}, openai.BadRequestError, "context_length_exceeded", "5000"),
        ({"content": [{"type": "image_url", "image_url": {"url": "x"}}]}, openai.BadRequestError, "invalid_request", "image_url"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_it_is_refused(
    client: openai.OpenAI, fields: dict[str, Any], kind: type[openai.APIStatusError], code: str, words: str, stream: bool
) -> None:
    with pytest.raises(kind) as refused:
        ask(client, stream=stream, **fields)
    assert refused.value.code == code
    assert words in refused.value.message


def test_ten_megabytes_are_too_much(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        ask(client, "x" * 10_000_000)
    assert (refused.value.status_code, refused.value.code) == (413, "request_too_large")
    assert "1000000" in refused.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[1]", b'{"model": NaN}'])
def test_what_is_not_json_is_refused(service: Service, body: bytes) -> None:
    url = f"{service.url}/v1/chat/completions"
    response = httpx.post(url, content=body, headers={"authorization": f"Bearer {KEY}"})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("key", ["wrong", f"{KEY}x"])
def test_a_wrong_key_is_refused(client: openai.OpenAI, key: str) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        ask(client, extra_headers={"authorization": f"Bearer {key}"})
    assert refused.value.code == "invalid_api_key"


def test_a_raw_prompt_has_no_passages(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="prompt"):
        client.completions.create(model="auto", prompt=["one", "two"])


def test_an_unknown_decision_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="x-isthmus-decision-id"):
        client.get("/decisions/nothing", cast_to=dict[str, object])
