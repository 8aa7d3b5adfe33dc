"""What deciding adds to an `auto` request on the gateway's event loop, apart from the embedding.

`python -m benchmarks.auto [--json]`: a gateway's own chooser with a made-up profile of 512 queries, what was learnt about every
path since, limits on latency and cost, a dialogue to recognise, the answer noted, and its entries put into the queues of the log
and of the orchestrator. CPU time of the thread, without that of the same requests for a pinned path.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cluster.config import Config, EchoModel, Stages
from cluster.log import DecisionLog
from cluster.profile import PathRow, Table
from cluster.snapshot import fit_snapshot
from deployments.gateway.catalogue import Catalogue
from deployments.gateway.chooser import Chooser
from deployments.gateway.deadline import Deadline
from deployments.gateway.experiences import Experiences
from deployments.gateway.job import Answer, Job
from deployments.gateway.keys import Keys
from deployments.gateway.logged import entry
from deployments.messages import Sampling, StageReport
from deployments.prompts import Message
from policies.experience import Experience
from policies.posterior import Correction
from policies.types import Profile, Slo

QUERIES, WIDTH, ROUNDS = 512, 384, 3000
CONFIG = Config(
    models={name: EchoModel(engine="echo") for name in ("small", "middle", "large")},
    stages=Stages(
        preprocess=("none", "rewrite", "hyde"),
        retrieve=("none", "bm25@5", "dense@5", "hybrid@5"),
        refine=("none", "mmr", "rerank", "compress"),
    ),
)
SLO = Slo(max_latency_s=3.0, max_cost_usd=4.0)


class Embedded:
    """An encoder that has the vector at once."""

    def __init__(self, vectors: npt.NDArray[np.float32]) -> None:
        self._vectors = vectors
        self._next = 0

    async def get(self) -> Embedded:
        return self

    async def embed_one(self, text: str) -> npt.NDArray[np.float32]:
        self._next += 1
        return self._vectors[self._next % len(self._vectors)]


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """Microseconds of CPU per request."""
    rng = np.random.default_rng(0)
    names = tuple(path.name for path in CONFIG.paths)
    vectors = _unit(rng.normal(size=(QUERIES, WIDTH)))
    accuracy = np.clip(vectors @ _unit(rng.normal(size=(WIDTH, len(names)))) + 0.6, 0, 1)
    costs = (rng.gamma(2.0, 1.0, len(names)) * rng.gamma(4.0, 0.25, (QUERIES, len(names))) for _ in range(3))
    queries = tuple(f"question {number}" for number in range(QUERIES))
    rows = tuple(PathRow(path.name, "edge", path.preprocess, path.retrieve, path.refine, path.generate) for path in CONFIG.paths)
    table = Table(Profile(queries, queries, names, accuracy, *costs), rows, ("",) * QUERIES, ("",) * QUERIES)
    unseen = _unit(vectors[rng.integers(QUERIES, size=rounds)] + rng.normal(0, 0.02, (rounds, WIDTH))).astype(np.float32)
    chooser = Chooser(CONFIG, Catalogue(CONFIG), Embedded(unseen), {})  # type: ignore[arg-type]
    chooser.snapshot = snapshot = fit_snapshot(CONFIG, table, vectors)
    chooser.learnt({snapshot.fingerprint: dict.fromkeys(names, Correction(0.01, 1.1, 1.0, 0.9))})
    with tempfile.TemporaryDirectory() as folder:
        log = DecisionLog(f"sqlite:///{folder}/log.db")  # its thread is not started: it is not on the request's way
        auto = asyncio.run(_run(chooser, log, "auto", rounds))
        pinned = asyncio.run(_run(chooser, None, "small", rounds))
    return {"paths": len(names), "requests": rounds, "auto_us": auto, "pinned_us": pinned, "added_us": auto - pinned}


async def _run(chooser: Chooser, log: DecisionLog | None, model: str, rounds: int) -> float:
    taken = []
    noted: deque[Experience] = deque(maxlen=1000)
    experiences = Experiences(chooser, Keys(()), noted.append)
    for number in range(rounds):
        dialogue = _dialogue(number)
        began = time.thread_time_ns()
        deadline = Deadline.of(SLO, asyncio.get_running_loop().time(), 30.0)
        choice = await chooser.choose(model, SLO, dialogue, deadline)
        if log is not None:
            job = Job("0" * 32, choice.decision, SLO, deadline, Sampling(0), dialogue, choice=choice)
            report = StageReport("generate", "small", "home", 0.1)
            answer = Answer("fine", "stop", choice.decision.path, "home", choice.decision.reason, (report,), (), None, 0.1, None)
            chooser.answered(choice, answer.text, answer.path)
            log.put(entry("bench", job, answer, 0.0))
            experiences.answered(job, answer)
        taken.append(time.thread_time_ns() - began)
    return float(np.median(taken)) / 1000


def _dialogue(number: int) -> tuple[Message, ...]:
    turns: Sequence[Message] = (
        {"role": "user", "content": f"Where is the lamp number {number}?"},
        {"role": "assistant", "content": "In the hall, left of the door."},
        {"role": "user", "content": "And how do I change its bulb?"},
    )
    return tuple(turns)


def _unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    as_json = parser.parse_args().json
    result = measure()
    print(
        json.dumps(result)
        if as_json
        else f"deciding adds {result['added_us']:.0f} µs of CPU to a request ({result['paths']} paths)"
    )


if __name__ == "__main__":
    main()
