"""The running system as the Emulator sees it: an HTTP client of the gateway."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

from cluster.emulator.questions import Question
from policies.errors import IsthmusError
from policies.signals import NO_SIGNALS, Signals

_BATCH = 64
_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What the gateway measured of one path; without an answer there is an `error` and its HTTP `status`."""

    path: str
    answer: str = ""
    latency_s: float | None = None
    cost_usd: float | None = None
    energy_j: float | None = None
    energy_source: str = "modelled"
    spent_s: float = 0.0
    spent_usd: float = 0.0
    spent_j: float = 0.0
    signals: Signals = NO_SIGNALS
    error: str | None = None
    status: int = 200

    @property
    def is_the_paths_fault(self) -> bool:
        """Whether the path itself cannot answer the query: it will not on another day either. Time that is up counts so."""
        return self.error is not None and ((400 <= self.status < 500 and self.status != 429) or self.status == 504)


class System:
    """Measures paths and embeds texts. Raises IsthmusError when the gateway cannot be reached or refuses."""

    def __init__(self, url: str, key: str | None, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`timeout_s` is the gateway's own limit for one path."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(timeout_s + _CONNECT_S, connect=_CONNECT_S)
        self._url = url
        self._client = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout, transport=transport)

    async def measure(self, question: Question, paths: Sequence[str]) -> AsyncGenerator[Reply, None]:
        """One reply for each of `paths`, in their order, as it comes. Closing it stops the engines."""
        body = {"messages": question.dialogue, "paths": list(paths)}
        try:
            async with self._client.stream("POST", "/v1/profile", json=body) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise IsthmusError(_refusal(response))
                async for line in response.aiter_lines():
                    if line == "data: [DONE]":
                        return
                    if line:
                        yield _reply(json.loads(line.removeprefix("data: ")))
        except httpx.HTTPError as error:
            raise IsthmusError(self._lost(error)) from error
        raise IsthmusError(self._lost("the stream ended early"))

    async def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Unit vectors by the system's encoder, shape (texts, width)."""
        rows: list[npt.NDArray[np.float32]] = []
        for start in range(0, len(texts), _BATCH):
            body = {"model": "auto", "input": list(texts[start : start + _BATCH]), "encoding_format": "base64"}
            try:
                response = await self._client.post("/v1/embeddings", json=body)
            except httpx.HTTPError as error:
                raise IsthmusError(self._lost(error)) from error
            if response.status_code != 200:
                raise IsthmusError(_refusal(response))
            rows += [np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in response.json()["data"]]
        return np.array(rows, dtype=np.float64)

    async def close(self) -> None:
        await self._client.aclose()

    def _lost(self, error: object) -> str:
        return (
            f"The gateway at {self._url} does not answer ({error or type(error).__name__}); start it with 'isthmus up' and go on "
            "with --resume."
        )


def _reply(event: dict[str, Any]) -> Reply:
    if "error" in event:
        return Reply(event["path"], error=event["error"]["message"], status=event["status"])
    spent, signals = event.pop("spent"), Signals(**event.pop("signals", {}))
    return Reply(**event, signals=signals, spent_s=spent["seconds"], spent_usd=spent["cost_usd"], spent_j=spent["energy_j"])


def _refusal(response: httpx.Response) -> str:
    try:
        message = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = response.text[:200]
    return f"The gateway answered {response.status_code}: {message}"
