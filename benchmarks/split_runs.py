"""Answers of a split model, one at a time or several at once: what was said, sent and computed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from benchmarks.split_recording import NaiveLink, RecordedCloud, RecordedEdge, RecordedLink, Recorder, Whole
from benchmarks.split_replay import Question, Trace, nbytes
from deployments.models.split.answer import Answer
from deployments.models.split.checkpoint import Checkpoint
from deployments.models.split.codec import Wire
from deployments.models.split.desk import Desk
from deployments.models.split.draw import Draw
from deployments.models.split.link import DirectLink, Link
from deployments.models.split.partition import Partition
from deployments.models.split.speaker import Speaker
from policies.split.mode import Mode
from policies.split.pace import Mean, Pace

Tokens = Sequence[int]
_MEMORY_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Way:
    """A way of answering."""

    name: str
    mode: Mode | None
    """None for the unsplit model in the cloud, its tokens streamed to the edge."""
    wire: Wire = Wire.FLOAT16
    naive: bool = False
    rtt_ms: int | None = None
    """The round trip that the edge knows of, if what it does depends on that."""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer."""

    prompt: int
    """Tokens of the prompt."""
    tokens: tuple[int, ...]
    trace: Trace
    computed: int
    """Positions that the cloud ran."""

    @property
    def nbytes(self) -> int:
        """What crossed the link, both ways."""
        return sum(map(nbytes, self.trace))

    @property
    def asks(self) -> int:
        """Questions to the cloud."""
        return sum(isinstance(event, Question) for event in self.trace)

    @property
    def positions(self) -> int:
        """Positions that the unsplit model would run; nothing follows the last token."""
        return self.prompt + len(self.tokens) - 1


@dataclass(frozen=True, slots=True)
class Together:
    """Several answers at once."""

    tokens: tuple[tuple[int, ...], ...]
    asks: int
    edge_passes: int
    cloud_passes: int
    left_bytes: int
    """Memory of the cloud's contexts when all have ended."""


class Known(Mean):
    """A mean that was known before and stays."""

    def note(self, measured: float) -> None:
        """Not taken in."""


class FarPace(Pace):
    """That of an edge whose cloud is a known round trip away, on a machine that may be busy with other things."""

    def __init__(self, round_trip_s: float) -> None:
        super().__init__(round_trip=Known(round_trip_s))

    def limit_s(self, positions: int) -> float:
        """Long: what is late here is the machine."""
        return 60.0


class Bench:
    """A checkpoint with its exits. Everything is computed in one thread, so that its times are those of one core."""

    def __init__(self, folder: Path, partition: Partition, exits: Path, most: int, end: int) -> None:
        """An answer has at most `most` tokens and stops after `end`."""
        torch.set_num_threads(1)
        self._folder = folder
        self._most, self._end = most, end
        self._recorder = Recorder()
        checkpoint = Checkpoint(folder)
        self._edges = {wire: RecordedEdge(self._recorder, checkpoint, partition, exits, wire) for wire in Wire}
        self._cloud = RecordedCloud(self._recorder, checkpoint, partition)
        self._whole = Whole(self._recorder, checkpoint)

    def reference(self, prompt: Tokens) -> tuple[int, ...]:
        """The unsplit model's greedy text, by transformers."""
        text = torch.tensor([prompt])
        with torch.inference_mode():
            said = self._unsplit.generate(text, attention_mask=torch.ones_like(text), do_sample=False, max_new_tokens=self._most)
        return tuple(said[0, len(prompt) :].tolist())

    def alone(self, prompts: Iterable[Tokens], ways: Sequence[Way], most: int | None = None) -> list[list[Given]]:
        """Each prompt alone: the answers of every way. With `most`, they all have that length.

        The ways take turns at every prompt, so that a machine that is busier for a while is so for all of them.
        """

        async def run() -> list[list[Given]]:
            with ExitStack() as stack:
                parts = [stack.enter_context(self._open(way)) for way in ways]
                return [
                    [await self._give(way, *part, prompt, most) for way, part in zip(ways, parts, strict=True)]
                    for prompt in prompts
                ]

        return [list(answers) for answers in zip(*asyncio.run(run()), strict=True)]

    def together(self, prompts: Iterable[Tokens], way: Way, sessions: int) -> Together:
        """`sessions` at a time."""

        async def run() -> Together:
            with self._open(way) as (desk, speaker):
                waiting = iter(enumerate(prompts))
                found: dict[int, tuple[int, ...]] = {}

                async def session() -> None:
                    for index, prompt in waiting:
                        found[index] = await self._say(speaker, prompt, way, None)

                await asyncio.gather(*(session() for _ in range(sessions)))
                asks = sum(isinstance(event, Question) for event in self._recorder.trace())
                tokens = tuple(found[index] for index in sorted(found))
                return Together(tokens, asks, speaker.passes, desk.passes, desk.nbytes)

        return asyncio.run(run())

    async def _give(self, way: Way, desk: Desk, speaker: Speaker, prompt: Tokens, most: int | None) -> Given:
        if way.mode is None:
            said = tuple(self._whole.say(prompt, self._most, self._end))
            return Given(len(prompt), said, self._recorder.trace(), len(prompt) + len(said) - 1)
        before = desk.positions
        said = await self._say(speaker, prompt, way, most)
        return Given(len(prompt), said, self._recorder.trace(), desk.positions - before)

    async def _say(self, speaker: Speaker, prompt: Tokens, way: Way, most: int | None) -> tuple[int, ...]:
        if way.mode is None:
            raise ValueError("the unsplit model is not split")
        answer = Answer(speaker, prompt, Draw(), way.mode, most or self._most, (self._end,) if most is None else ())
        tokens = tuple([said.token async for said in answer.tokens()])
        await asyncio.sleep(0)  # the word that the session is over is on its way
        if answer.tally.alone:
            raise RuntimeError("The cloud part within this process did not answer.")
        return tokens

    @contextmanager
    def _open(self, way: Way) -> Iterator[tuple[Desk, Speaker]]:
        """Both parts at work. Their clock is the processor's, for others may work on the machine."""
        with ThreadPoolExecutor(1) as thread:
            desk = Desk(self._cloud, thread, _MEMORY_BYTES, clock=time.process_time)
            link: Link = RecordedLink(self._recorder, DirectLink(desk))
            link = NaiveLink(link, way.wire) if way.naive else link
            speaker = Speaker(self._edges[way.wire], thread, link, way.wire, clock=time.process_time)
            speaker.pace = FarPace((way.rtt_ms or 0) / 1000)
            yield desk, speaker

    @cached_property
    def _unsplit(self) -> Any:
        return AutoModelForCausalLM.from_pretrained(self._folder, dtype=torch.float32).eval()
