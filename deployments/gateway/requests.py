"""The bodies of requests, with the OpenAI API's names: what is understood, what is ignored, and what is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from deployments.gateway.slo import SloBody
from deployments.prompts import Message


def _refuse(value: object) -> None:
    """Fields that would change the answer are refused, not ignored; their neutral values are not worth an error."""
    if value not in (None, False, "none", [], {}, ["text"], {"type": "text"}):
        raise ValueError("it is not supported by this service; leave it out")


def _one(value: object) -> None:
    if value is not None and (value != 1 or value is True):
        raise ValueError("only one choice per request is supported; send several requests")


def _plain_text(value: object) -> object:
    """Content parts of type text, joined; anything else is left to the field's own check."""
    if value is None:
        return ""
    if not isinstance(value, list):
        return value
    texts = []
    for position, part in enumerate(value):
        kind = part.get("type") if isinstance(part, dict) else None
        text = part.get("text") if isinstance(part, dict) else None
        if kind != "text" or not isinstance(text, str):
            raise ValueError(f"part {position} is of type {kind!r}; only parts of type 'text' with a string are supported")
        texts.append(text)
    return "\n".join(texts)


def _as_tuple(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Unsupported = Annotated[Any, AfterValidator(_refuse)]
Single = Annotated[Any, AfterValidator(_one)]
Ignored = Any
"""Fields that do not change the answer: accepted so that clients which always send them work."""
Text = Annotated[str, BeforeValidator(_plain_text)]
OneOrMore = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
StopWords = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_as_tuple)]
SEEDS = 2**63
"""Seeds are signed integers of 64 bits, as in the OpenAI API: a larger one would end the engine that takes it."""


class Body(BaseModel):
    """What all bodies share. Unknown fields are errors: a misspelt limit that is ignored would be a broken promise."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    model: str = Field(min_length=1)
    user: Ignored = None
    metadata: Ignored = None
    safety_identifier: Ignored = None


class StreamOptions(BaseModel):
    """`stream_options` of the OpenAI API."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    include_usage: bool = False
    include_obfuscation: Ignored = None


class GenerateBody(Body):
    """What chat and plain completions share."""

    stream: bool | None = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    stop: StopWords | None = Field(None, max_length=4)
    seed: int | None = Field(None, ge=-SEEDS, lt=SEEDS)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    slo: SloBody | None = None
    n: Single = None
    logprobs: Unsupported = None
    logit_bias: Unsupported = None
    store: Ignored = None
    service_tier: Ignored = None


class ChatMessage(BaseModel):
    """One turn of the dialogue."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Text
    name: Ignored = None
    refusal: Ignored = None
    annotations: Ignored = None
    audio: Unsupported = None
    tool_calls: Unsupported = None
    function_call: Unsupported = None


class ChatBody(GenerateBody):
    """`POST /v1/chat/completions`."""

    messages: tuple[ChatMessage, ...] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    prompt_cache_key: Ignored = None
    parallel_tool_calls: Ignored = None
    top_logprobs: Unsupported = None
    response_format: Unsupported = None
    modalities: Unsupported = None
    audio: Unsupported = None
    prediction: Unsupported = None
    tools: Unsupported = None
    tool_choice: Unsupported = None
    functions: Unsupported = None
    function_call: Unsupported = None
    reasoning_effort: Unsupported = None
    verbosity: Unsupported = None
    web_search_options: Unsupported = None

    @property
    def dialogue(self) -> tuple[Message, ...]:
        """The messages; `developer` is the newer name of `system`."""
        return tuple(
            Message(role="system" if turn.role == "developer" else turn.role, content=turn.content) for turn in self.messages
        )


class CompletionBody(GenerateBody):
    """`POST /v1/completions`: one raw prompt, without chat template, passages or preprocessing."""

    prompt: Annotated[str, BeforeValidator(lambda value: value[0] if isinstance(value, list) and len(value) == 1 else value)]
    best_of: Single = None
    echo: Unsupported = None
    suffix: Unsupported = None


class EmbeddingBody(Body):
    """`POST /v1/embeddings`."""

    input: OneOrMore = Field(min_length=1, max_length=2048)
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Unsupported = None


class FeedbackBody(BaseModel):
    """`POST /v1/feedback`: how good the answer of a decision was."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    decision_id: str = Field(min_length=1)
    score: float = Field(ge=0, le=1)
