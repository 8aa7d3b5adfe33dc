"""What the gateway reads in a body, and the sentences with which it refuses the rest."""

import json
from typing import Any

import pytest

from deployments.gateway.body import parse_body, read_body
from deployments.gateway.requests import ChatBody, CompletionBody, EmbeddingBody
from policies.errors import InvalidRequest, RequestTooLarge

HELLO = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


def chat(**fields: Any) -> ChatBody:
    return parse_body(json.dumps(HELLO | fields).encode(), ChatBody)


def test_the_openai_fields_are_read() -> None:
    body = chat(temperature=0, top_p=0.5, max_completion_tokens=7, stop="x", seed=3, n=1, stream=True)
    assert (body.temperature, body.top_p, body.max_completion_tokens, body.stop, body.seed) == (0, 0.5, 7, ("x",), 3)


def test_text_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert chat(messages=[{"role": "user", "content": parts}]).messages[0].content == "one\ntwo"


def test_what_clients_always_send_is_ignored() -> None:
    body = chat(user="me", metadata={"a": "b"}, tools=[], tool_choice="none", response_format={"type": "text"}, logprobs=False)
    assert body.model == "auto"


def test_an_answer_given_back_by_the_client_is_read() -> None:
    answer = {"role": "assistant", "content": "hi", "refusal": None, "tool_calls": None, "annotations": []}
    assert chat(messages=[*HELLO["messages"], answer]).messages[1].content == "hi"


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"n": 2}, "n", "one choice"),
        ({"n": True}, "n", "one choice"),
        ({"tools": [{"type": "function"}]}, "tools", "not supported"),
        ({"logprobs": True}, "logprobs", "not supported"),
        ({"response_format": {"type": "json_object"}}, "response_format", "not supported"),
        ({"temprature": 0.1}, "temprature", "unknown"),
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"temperature": "warm"}, "temperature", "number"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"max_tokens": 1.5}, "max_tokens", "integer"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "at most 4"),
        ({"stop": ""}, "stop.0", "at least 1 character"),
        ({"stop": ["a", ""]}, "stop.1", "at least 1 character"),
        ({"seed": 2**63}, "seed", "less than 9223372036854775808"),
        ({"seed": -(2**63) - 1}, "seed", "greater than or equal to -9223372036854775808"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages.0.role", "'user'"),
        ({"messages": [{"role": "user"}]}, "messages.0.content", "missing"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content", "string"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content", "'image_url'"),
        ({"slo": {"max_latency_s": 0}}, "slo.max_latency_s", "greater than 0"),
        ({"slo": {"max_latency_s": -1}}, "slo.max_latency_s", "greater than 0"),
        ({"slo": {"max_latency": 1}}, "slo.max_latency", "unknown"),
        ({"slo": {"privacy": "secret"}}, "slo.privacy", "'edge'"),
        ({"slo": {"min_accuracy": 1.5}}, "slo.min_accuracy", "less than or equal to 1"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat(**fields)
    assert refused.value.param == param
    assert words in str(refused.value)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InvalidRequest, match="'messages' is missing"):
        parse_body(b'{"model": "auto"}', ChatBody)


@pytest.mark.parametrize("body", [b"", b"{", b"not json", b'{"model": "\xff"}', b'{"model": NaN'])
def test_what_is_not_json_is_told_so(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="not valid JSON"):
        parse_body(body, ChatBody)


@pytest.mark.parametrize("body", [b"[]", b'"auto"', b"3", b"null"])
def test_what_is_no_object_is_told_so(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="not a JSON object"):
        parse_body(body, ChatBody)


def test_nan_is_no_limit() -> None:
    with pytest.raises(InvalidRequest, match=r"max_latency_s.*finite"):
        parse_body(b'{"model":"auto","messages":[{"role":"user","content":"x"}],"slo":{"max_latency_s":NaN}}', ChatBody)


def test_a_single_prompt_in_a_list_is_a_prompt() -> None:
    assert parse_body(b'{"model": "m", "prompt": ["once"]}', CompletionBody).prompt == "once"
    with pytest.raises(InvalidRequest, match="prompt"):
        parse_body(b'{"model": "m", "prompt": ["once", "twice"]}', CompletionBody)


def test_embedding_input_is_one_text_or_several() -> None:
    assert parse_body(b'{"model": "m", "input": "a"}', EmbeddingBody).input == ("a",)
    assert parse_body(b'{"model": "m", "input": ["a", "b"]}', EmbeddingBody).input == ("a", "b")
    with pytest.raises(InvalidRequest, match="input"):
        parse_body(b'{"model": "m", "input": []}', EmbeddingBody)


class FakeSocket:
    """Hands out `chunks` as ASGI messages, and counts."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)
        self.received = 0

    async def receive(self) -> dict[str, Any]:
        self.received += 1
        return {"type": "http.request", "body": self.chunks.pop(0), "more_body": bool(self.chunks)}


async def test_a_body_may_come_in_pieces() -> None:
    assert await read_body(FakeSocket(b"ab", b"", b"cd").receive, 4) == b"abcd"


async def test_a_large_body_is_refused_after_the_client_has_sent_it() -> None:
    socket = FakeSocket(*[b"x" * 10] * 5)
    with pytest.raises(RequestTooLarge) as refused:
        await read_body(socket.receive, 20)
    assert (refused.value.size, refused.value.limit) == (50, 20)
    assert socket.received == 5


async def test_an_endless_body_is_not_read_to_its_end() -> None:
    socket = FakeSocket(*[b"x" * 10] * 1000)
    with pytest.raises(RequestTooLarge):
        await read_body(socket.receive, 20)
    assert socket.received < 50
