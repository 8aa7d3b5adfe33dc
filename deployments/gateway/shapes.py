"""The two shapes of generated text, chat and plain completions, whole and in chunks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from deployments.gateway.job import Answer, Job
from deployments.messages import FinishReason

Kind = Literal["chat", "text"]


@dataclass(slots=True)
class Shape:
    """How one response is written."""

    kind: Kind
    job: Job
    model: str
    """The path that answers: a fallback's once it is known."""
    usage_at_end: bool = False
    """Whether a stream tells its usage in a last chunk; the others then say that it is null."""
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, answer: Answer, record: Mapping[str, Any]) -> dict[str, Any]:
        """A complete response."""
        choice: dict[str, Any] = {"index": 0, "finish_reason": answer.finish_reason, "logprobs": None}
        if self.kind == "chat":
            choice["message"] = {"role": "assistant", "content": answer.text, "refusal": None}
        else:
            choice["text"] = answer.text
        return self._body("chat.completion", [choice]) | {"usage": answer.usage, "isthmus": record}

    def piece(self, text: str, finish_reason: FinishReason | None, *, first: bool) -> dict[str, Any]:
        """A chunk with a piece of the text; the one that ends the answer has a `finish_reason`."""
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish_reason, "logprobs": None}
        if self.kind == "text":
            choice["text"] = text
        elif first:
            choice["delta"] = {"role": "assistant", "content": text}
        else:
            choice["delta"] = {"content": text} if text else {}
        return self._chunk([choice]) | ({"usage": None} if self.usage_at_end else {})

    def usage(self, answer: Answer) -> dict[str, Any]:
        """The chunk after the last piece that `stream_options.include_usage` asks for."""
        return self._chunk([]) | {"usage": answer.usage}

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return self._body("chat.completion.chunk", choices)

    def _body(self, chat_object: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        prefix, name = ("chatcmpl", chat_object) if self.kind == "chat" else ("cmpl", "text_completion")
        return {
            "id": f"{prefix}-{self.job.decision_id}",
            "object": name,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
