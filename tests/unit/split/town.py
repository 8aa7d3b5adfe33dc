"""A split model in one process: both parts, a link that a test can disturb, and the unsplit model to compare with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
from torch import Tensor
from transformers import PreTrainedModel

from deployments.models.split.answer import Answer
from deployments.models.split.checkpoint import Checkpoint
from deployments.models.split.cloud import CloudPart
from deployments.models.split.codec import Wire, rounded
from deployments.models.split.desk import Desk
from deployments.models.split.draw import Draw
from deployments.models.split.edge import EdgePart
from deployments.models.split.errors import LinkError
from deployments.models.split.link import DirectLink, Link
from deployments.models.split.partition import Partition
from deployments.models.split.speaker import Speaker
from policies.split.mode import Mode
from policies.split.pace import Pace
from tests.unit.split import checkpoints

CPU = torch.device("cpu")
NEVER = checkpoints.VOCABULARY
"""A token that no model says."""
PROMPT = [3, 5, 7, 9, 11, 13, 17]
torch.set_num_threads(1)


@cache
def checkpoint(name: str, faint: bool = False) -> Path:
    """A folder with that configuration, written once; `faint` makes the layers above the second weak (see `write`)."""
    return checkpoints.write(name, Path(mkdtemp(prefix=f"split-{name}-")), shard_size="20KB", faint=faint)


@cache
def exits(layers: tuple[int, ...]) -> Path:
    """Random exit heads after these layers, written once."""
    return checkpoints.write_exits(Path(mkdtemp(prefix="split-exits-")) / "exits.safetensors", layers)


@cache
def whole(name: str, faint: bool = False) -> PreTrainedModel:
    """The unsplit model."""
    return checkpoints.reference(checkpoint(name, faint))


@contextmanager
def replaced(model: PreTrainedModel, layer: int, by: Tensor | Callable[[Tensor], Tensor]) -> Iterator[list[Tensor]]:
    """Within, the states (positions, width) of `model` behind `layer` are others; what they were is in the list."""
    seen: list[Tensor] = []

    def replace(_: object, __: object, states: Tensor) -> Tensor:
        seen.append(states[0])
        return (by if isinstance(by, Tensor) else by(states[0]))[None]

    hook = model.model.layers[layer - 1].register_forward_hook(replace)
    try:
        yield seen
    finally:
        hook.remove()


def expected(model: PreTrainedModel, a: int, wire: Wire, prompt: Sequence[int], most: int, end: int = NEVER) -> list[int]:
    """The greedy text of the unsplit model whose states after layer `a` are rounded as on the link, by transformers."""
    with replaced(model, a, lambda states: rounded(states, wire)):
        text = model.generate(torch.tensor([list(prompt)]), max_new_tokens=most, do_sample=False, eos_token_id=end)
    tokens: list[int] = text[0, len(prompt) :].tolist()
    return tokens


class PatientPace(Pace):
    """Drafts as many tokens as the mode allows, since in one process a question costs too little to be put off; and does not
    mistake a machine that is busy with other things for a link that is down.
    """

    def limit_s(self, positions: int) -> float:
        return 60.0

    def drafts_on(self, chances: list[float], next_chance: float) -> bool:
        return True


@dataclass
class Disturbed(Link):
    """A direct link whose uploads pass through `disturb` (which may drop, repeat, reorder) and that can be cut."""

    desk: Desk
    disturb: Callable[[list[bytes]], list[bytes]] = list
    cut: bool = False
    asks: int = 0

    def __post_init__(self) -> None:
        self._direct = DirectLink(self.desk)
        self._held: list[bytes] = []

    def upload(self, message: bytes) -> None:
        self._held.append(message)

    async def ask(self, message: bytes) -> bytes:
        self.asks += 1
        await asyncio.sleep(0)
        if self.cut:
            raise LinkError("cut")
        held, self._held = self._held, []
        for upload in self.disturb(held):
            await self.desk.handle(upload, self)
        return await self._direct.ask(message)

    async def close(self) -> None:
        for upload in self._held:
            await self.desk.handle(upload, self)
        await self._direct.close()


@dataclass
class Town:
    """What `split` gives."""

    edge: EdgePart
    desk: Desk
    link: Link
    speaker: Speaker
    parts: tuple[EdgePart, CloudPart]

    async def say(
        self, mode: Mode, prompt: Sequence[int] = PROMPT, most: int = 20, draw: Draw | None = None, end: int = NEVER
    ) -> tuple[list[int], Answer]:
        """A whole answer."""
        answer = Answer(self.speaker, prompt, draw or Draw(), mode, most, (end,))
        tokens = [said.token async for said in answer.tokens()]
        await asyncio.sleep(0)  # the session's end is on its way
        return tokens, answer


@cache
def parts(name: str, partition: Partition, wire: Wire, shared: bool, faint: bool) -> tuple[EdgePart, CloudPart]:
    """Both parts of a checkpoint; they keep nothing of a session."""
    folder = Checkpoint(checkpoint(name, faint))
    heads = None if shared else exits(partition.exits)
    return EdgePart(folder, partition, heads, wire, torch.float32, CPU), CloudPart(folder, partition, torch.float32, CPU)


@asynccontextmanager
async def split(
    name: str = "llama",
    cut: tuple[int, int] = (1, 3),
    wire: Wire = Wire.FLOAT16,
    *,
    shared: bool = False,
    faint: bool = False,
    memory_bytes: int = 1 << 28,
    disturb: Callable[[list[bytes]], list[bytes]] | None = None,
    idle_s: float = 60.0,
    clock: Callable[[], float] | None = None,
) -> AsyncIterator[Town]:
    """Edge and cloud of one model; the edge drafts whenever it may."""
    edge, cloud = parts(name, Partition(*cut, checkpoints.LAYERS), wire, shared, faint)
    with ThreadPoolExecutor(1) as thread:
        desk = Desk(cloud, thread, memory_bytes, idle_s, **({"clock": clock} if clock else {}))
        link: Link = Disturbed(desk, disturb) if disturb else DirectLink(desk)
        speaker = Speaker(edge, thread, link, wire)
        speaker.pace = PatientPace()
        yield Town(edge, desk, link, speaker, (edge, cloud))
        await link.close()
