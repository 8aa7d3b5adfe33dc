"""A closed-loop load generator for OpenAI-compatible chat: each client sends its next question when the last is answered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
import numpy as np

SENTENCE = "the lamp in the kitchen shows code e four and blinks twice when the door is open all the night"


@dataclass(slots=True)
class Load:
    """What one round saw."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    wrong: int = 0
    """Answers that were not what was asked, or not 200."""

    @property
    def answered(self) -> int:
        """Right answers."""
        return len(self.latencies_s)

    def percentile_s(self, share: float) -> float:
        """Seconds within which `share` of the answers came; NaN without any."""
        return float(np.quantile(self.latencies_s, share)) if self.latencies_s else float("nan")


async def drive(url: str, model: str, clients: int, seconds: float, *, stream: bool) -> Load:
    """Ask `url`/chat/completions with `clients` at once for `seconds`. Every question is unique and must be echoed."""
    load = Load()
    began = time.perf_counter()
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout, headers={"authorization": "Bearer none"}) as session:
        loops = (_client(session, url, model, number, began + seconds, stream, load) for number in range(clients))
        await asyncio.gather(*loops)
    load.seconds = time.perf_counter() - began
    return load


async def _client(
    session: aiohttp.ClientSession, url: str, model: str, number: int, until: float, stream: bool, load: Load
) -> None:
    turn = 0
    while time.perf_counter() < until:
        turn += 1
        question = f"{SENTENCE} {number}-{turn}"
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": question}]}
        asked = time.perf_counter()
        async with session.post(f"{url}/chat/completions", json=body) as response:
            raw = await response.read()
            if response.status == 200 and _text(raw, stream) == question:
                load.latencies_s.append(time.perf_counter() - asked)
            else:
                load.wrong += 1


def _text(raw: bytes, stream: bool) -> str:
    if not stream:
        return str(json.loads(raw)["choices"][0]["message"]["content"])
    events = [line[6:] for line in raw.split(b"\n") if line.startswith(b"data: ") and line != b"data: [DONE]"]
    return "".join(_delta(json.loads(event).get("choices", [])) for event in events)


def _delta(choices: Sequence[dict[str, dict[str, str | None]]]) -> str:
    return (choices[0]["delta"].get("content") or "") if choices else ""
