"""A small world for decisions: two kinds of questions, three models, and a profile that knows which suits which."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cluster.config import Config, EchoModel, Stages
from cluster.profile import PathRow, Table
from cluster.snapshot import Snapshot, fit_snapshot
from deployments.gateway.catalogue import Catalogue
from deployments.gateway.chooser import Chooser
from deployments.gateway.client import ModelClient
from deployments.gateway.deadline import Deadline
from deployments.prompts import Message
from policies.select import Preference
from policies.types import Path, Profile, Slo
from tests.unit.gateway.fakes import FakeReplica, client_of

CONFIG = Config(
    models={
        "small": EchoModel(engine="echo", max_ongoing=1, max_queued=8),
        "large": EchoModel(engine="echo", tier="cloud", max_ongoing=1, max_queued=8),
        "huge": EchoModel(engine="echo", tier="cloud", max_ongoing=1, max_queued=8),
    },
    stages=Stages(preprocess=("none", "rewrite")),
    default_path="none/none/none/large",
)
SMALL, LARGE, HUGE = (Path("none", "none", "none", name) for name in ("small", "large", "huge"))
REWRITTEN = Path("rewrite", "none", "none", "huge")  # asks small and huge
PATHS = (SMALL, LARGE, HUGE, REWRITTEN)
KINDS = ("lamp", "tax")
# Of each path: accuracy on lamps and on taxes, seconds, dollars, joules.
MEASURED = ((1.0, 0.0, 0.1, 0.0, 1.0), (1.0, 0.9, 1.0, 0.001, 10.0), (1.0, 1.0, 3.0, 0.01, 50.0), (0.9, 0.9, 3.5, 0.01, 51.0))
WIDTH = 8


def vector_of(text: str) -> npt.NDArray[np.float32]:
    """Questions of one kind lie close together; the number in a question moves it a little."""
    kind, _, number = text.partition(" ")
    vector = np.zeros(WIDTH, dtype=np.float32)
    vector[KINDS.index(kind) if kind in KINDS else WIDTH - 1] = 1.0
    vector[2 + int(number or 0) % 5] = 0.1
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


class FakePipeline:
    """Embeds by `vector_of`; `hang` never does."""

    def __init__(self, hang: bool = False) -> None:
        self.hang = hang
        self.asked: list[str] = []
        self.encoder = self

    async def get(self) -> FakePipeline:
        return self

    async def embed_one(self, text: str) -> npt.NDArray[np.float32]:
        self.asked.append(text)
        if self.hang:
            await asyncio.Event().wait()
        return vector_of(text)

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.stack([vector_of(text) for text in texts])


def table(paths: Sequence[Path] = PATHS) -> Table:
    """Twenty questions of each kind, every cell measured."""
    queries = tuple(f"{kind} {number}" for number in range(20) for kind in KINDS)
    measured = dict(zip(PATHS, MEASURED, strict=True))
    rows = [measured[path] for path in paths]
    accuracy = np.array([[row[KINDS.index(query.split()[0])] for row in rows] for query in queries])
    others = (np.tile([row[column] for row in rows], (len(queries), 1)) for column in (2, 3, 4))
    names = tuple(path.name for path in paths)
    listed = tuple(PathRow(path.name, "edge", path.preprocess, generate=path.generate) for path in paths)
    return Table(Profile(queries, queries, names, accuracy, *others), listed, ("",) * len(queries), ("",) * len(queries))


def snapshot(paths: Sequence[Path] = PATHS) -> Snapshot:
    """It wants accuracy before time: at the price that the profile makes fair, a moment's wait tips the balance."""
    known = table(paths)
    fitted = fit_snapshot(CONFIG, known, FakePipeline().encode(known.profile.queries))
    return replace(fitted, preference=Preference("latency_s", band=0.01))


SNAPSHOT = snapshot()


class Town:
    """A chooser on the snapshot, and the servers that it looks at."""

    def __init__(self, pipeline: FakePipeline | None = None, config: Config = CONFIG) -> None:
        self.clients: dict[str, ModelClient] = {
            name: client_of(FakeReplica(), name, model.tier, model.tier, model) for name, model in config.models.items()
        }
        self.pipeline = pipeline or FakePipeline()
        servers = {name: [client] for name, client in self.clients.items()}
        self.chooser = Chooser(config, Catalogue(config), self.pipeline, servers)  # type: ignore[arg-type]
        self.chooser.snapshot = SNAPSHOT

    async def busy(self, name: str, requests: int, seconds: float) -> None:
        """`requests` are at the server of a model, each of which takes `seconds`."""
        client = self.clients[name]
        client._load.note(seconds)
        await client.seats.enter()
        self.waiting = [asyncio.create_task(client.seats.enter()) for _ in range(requests - 1)]
        await asyncio.sleep(0)


def limits(slo: Slo, limit_s: float = 30.0) -> Deadline:
    return Deadline.of(slo, asyncio.get_running_loop().time(), limit_s)


def said(*turns: str) -> tuple[Message, ...]:
    """A dialogue that the user begins."""
    return tuple({"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(turns))
