"""An edge server of a real cluster, measured: how fast it is, and what its requests take under load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np
import yaml
from scipy.optimize import nnls

from cluster.config import Config
from cluster.ports import free_ports

CONTEXTS = 2
SHAPE = {"width": 512, "layers": 8, "heads": 8, "hidden": 1408}
CONTEXT_TOKENS, MAX_TOKENS, WORDS = 512, (16, 80), (5, 35)
"""A word of random letters is about six tokens."""
CORNERS = [(words, tokens) for words in WORDS for tokens in MAX_TOKENS]
TIMES = 4
"""How often a probe asks each of the smallest and largest sizes, alone and from each of two clients that ask at once."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One request as its client saw it."""

    sent_s: float
    prompt_tokens: int
    tokens: int
    latency_s: float


@dataclass(frozen=True, slots=True)
class Device:
    """What was measured of the server: latency = network + prompt / prefill + tokens * (step + sequences * per sequence)."""

    network_s: float
    prefill_tokens_per_s: float
    step_s: float
    step_per_sequence_s: float


class Client:
    """Asks the gateway with prompts that begin like no other, so that no context has read any of them before."""

    def __init__(self, session: aiohttp.ClientSession, url: str, rng: np.random.Generator) -> None:
        self._session, self._url, self._rng = session, url, rng

    async def ask(self, words: int, max_tokens: int) -> Answered:
        """Raises SystemExit when the answer is not one."""
        text = " ".join("".join(chr(97 + int(letter)) for letter in self._rng.integers(0, 26, 5)) for _ in range(words))
        body = {"model": "none/none/none/edge", "max_tokens": max_tokens, "messages": [{"role": "user", "content": text}]}
        sent = time.perf_counter()
        async with self._session.post(f"{self._url}/v1/chat/completions", json=body) as response:
            answer = await response.json()
            latency_s = time.perf_counter() - sent
            if response.status != 200:
                raise SystemExit(f"The gateway answered {response.status}: {answer}")
        usage = answer["usage"]
        return Answered(sent, usage["prompt_tokens"], usage["completion_tokens"], latency_s)


@dataclass(frozen=True, slots=True)
class Probe:
    """Requests of known sizes."""

    alone: tuple[Answered, ...]
    together: tuple[Answered, ...]
    """While as many others run as there are contexts left."""


async def probe(client: Client) -> Probe:
    """One at a time, and then from as many clients as there are contexts."""
    alone = await _several(client)
    pairs = await asyncio.gather(*(_several(client) for _ in range(CONTEXTS)))
    return Probe(tuple(alone), tuple(answered for pair in pairs for answered in pair))


async def _several(client: Client) -> list[Answered]:
    return [await client.ask(*sizes) for _ in range(TIMES) for sizes in CORNERS]


def device(probes: Sequence[Probe]) -> Device:
    """Fitted by least squares: first from requests that were alone, then how much longer the same took in company."""
    alone, together = [a for p in probes for a in p.alone], [a for p in probes for a in p.together]
    rows, seconds = np.array([(1.0, a.prompt_tokens, a.tokens) for a in alone]), np.array([a.latency_s for a in alone])
    network, per_prompt_token, step = nnls(rows, seconds)[0]
    work = np.array([a.prompt_tokens * per_prompt_token + a.tokens * step for a in together])
    longer = float(work @ (np.array([a.latency_s for a in together]) - network) / (work @ work))
    per_sequence = step * (min(max(longer, 1.0), 1.999) - 1.0) / (CONTEXTS - 1)
    return Device(
        network_s=float(network),
        prefill_tokens_per_s=float(1 / max(per_prompt_token, 1e-6)),
        step_s=float(step - per_sequence),
        step_per_sequence_s=float(per_sequence),
    )


def capacity_per_s(probes: Sequence[Probe]) -> float:
    """Answers per second with all contexts busy."""
    return CONTEXTS / float(np.mean([a.latency_s for p in probes for a in p.together]))


def _sizes(rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(*WORDS)), int(rng.integers(*MAX_TOKENS))


async def work(client: Client, rng: np.random.Generator, requests: int, rate_per_s: float) -> list[Answered]:
    """Requests by a Poisson process, whether or not earlier ones were answered."""
    tasks = []
    for _ in range(requests):
        tasks.append(asyncio.create_task(client.ask(*_sizes(rng))))
        await asyncio.sleep(float(rng.exponential(1 / rate_per_s)))
    return await asyncio.gather(*tasks)


def configuration(folder: Path) -> tuple[Config, Path]:
    """One edge site with a model that is slow enough for its work, not the way to it, to decide."""
    import torch

    from examples.smart_home.gguf_file import write_gguf
    from examples.smart_home.model import Llama, Shape
    from examples.smart_home.tokens import learn

    torch.manual_seed(0)
    tokenizer = learn(["The lamp in the hall is on.", "Turn the heating down at night, please."])
    model = Llama(Shape(vocab=tokenizer.get_vocab_size(), max_positions=CONTEXT_TOKENS, **SHAPE)).eval()  # type: ignore[arg-type]
    write_gguf(model, tokenizer, folder / "edge.gguf", name="random")
    port, ray_port, dashboard_port = free_ports(3)
    settings = {
        "cluster": {"sites": [{"name": "home", "tier": "edge", "cpus": 4}], "port": ray_port, "dashboard_port": dashboard_port},
        "gateway": {"port": port, "cpus": 0.1},
        "models": {
            "edge": {
                "engine": "llama_cpp",
                "path": str(folder / "edge.gguf"),
                "contexts": CONTEXTS,
                "context_tokens": CONTEXT_TOKENS,
                "max_ongoing": 512,
                "max_queued": 512,
            }
        },
        "log": None,
    }
    file = folder / "isthmus.yaml"
    file.write_text(yaml.safe_dump(settings))
    return Config.model_validate(settings), file
