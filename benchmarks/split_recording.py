"""Both parts of a split model and the link between them, which record what one answer does; and the model unsplit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import embedding

from benchmarks.split_replay import Event, Pass, Question, Side, Step, Stream, Trace, Upload
from deployments.models.split import frames
from deployments.models.split.checkpoint import EMBEDDING, Checkpoint
from deployments.models.split.cloud import CloudPart, Job
from deployments.models.split.codec import Wire
from deployments.models.split.draw import Draw
from deployments.models.split.edge import EdgePart, Guess, Text
from deployments.models.split.frames import Frame, Kind, pack_tokens, unpack
from deployments.models.split.heads import output_head
from deployments.models.split.kv import KvCache
from deployments.models.split.layers import Layers, Segment
from deployments.models.split.link import DirectLink, Link
from deployments.models.split.partition import Partition

CPU = torch.device("cpu")


class Recorder:
    """The events of the answer that is being given. Seconds are of the computing thread's own processor time."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._cloud: list[Pass] = []

    @contextmanager
    def timed(self, side: Side, layers: int, positions: int) -> Iterator[None]:
        """A pass, as long as it lasts."""
        began = time.thread_time()
        yield
        done = Pass(side, layers, positions, time.thread_time() - began)
        (self._events if side is Side.EDGE else self._cloud).append(done)

    def uploaded(self, nbytes: int) -> None:
        """A message has left."""
        self._events.append(Upload(nbytes))

    def answered(self, up: int, down: int) -> None:
        """A question was answered, by the cloud's passes since the last one."""
        self._events.append(Question(up, self._taken(), down))

    def streamed(self, up: int, down: int) -> None:
        """The cloud generated alone, `down` bytes for each of its passes."""
        self._events.append(Stream(up, tuple(Step(work, down) for work in self._taken())))

    def trace(self) -> Trace:
        """What happened since it was last called."""
        events, self._events = tuple(self._events), []
        self._cloud.clear()
        return events

    def _taken(self) -> tuple[Pass, ...]:
        passes, self._cloud = tuple(self._cloud), []
        return passes


class RecordedEdge(EdgePart):
    """An edge part whose passes are recorded."""

    def __init__(self, recorder: Recorder, checkpoint: Checkpoint, partition: Partition, exits: Path, wire: Wire) -> None:
        super().__init__(checkpoint, partition, exits, wire, torch.float32, CPU)
        self._recorder = recorder

    def read(self, texts: Sequence[Text], most: int) -> list[Guess | None]:
        positions = sum(min(most, len(text.unread)) for text in texts)
        with self._recorder.timed(Side.EDGE, self.partition.a, positions):
            return super().read(texts, most)

    def deepen(self, texts: Sequence[Text]) -> list[Guess]:
        positions = sum(len(states) for text in texts for states in text.pending)
        with self._recorder.timed(Side.EDGE, self.partition.b - self.partition.a, positions):
            return super().deepen(texts)


class RecordedCloud(CloudPart):
    """A cloud part whose passes are recorded."""

    def __init__(self, recorder: Recorder, checkpoint: Checkpoint, partition: Partition) -> None:
        super().__init__(checkpoint, partition, torch.float32, CPU)
        self._recorder = recorder
        self._held = partition.n - partition.a

    def run(self, jobs: Sequence[Job]) -> list[list[int]]:
        with self._recorder.timed(Side.CLOUD, self._held, sum(job.positions for job in jobs)):
            return super().run(jobs)


class RecordedLink(Link):
    """A link within this process that counts bytes."""

    def __init__(self, recorder: Recorder, inner: DirectLink) -> None:
        self._recorder = recorder
        self._inner = inner

    def upload(self, message: bytes) -> None:
        self._recorder.uploaded(len(message))
        self._inner.upload(message)

    async def ask(self, message: bytes) -> bytes:
        reply = await self._inner.ask(message)
        self._recorder.answered(len(message), len(reply))
        return reply

    async def close(self) -> None:
        await self._inner.close()


class NaiveLink(Link):
    """The naive split of CE-CoLLM (arXiv 2411.02829): nothing is sent ahead, and every question carries the whole prefix.
    One session at a time.

    Its cloud keeps keys and values all the same and leaves out what it has computed, which is in favour of the naive split:
    what it costs here is what it costs the link.
    """

    def __init__(self, inner: Link, wire: Wire) -> None:
        self._inner = inner
        self._wire = wire
        self._prefix = b""

    def upload(self, message: bytes) -> None:
        rest = [frame for frame in unpack(message) if not self._keep(frame)]
        if rest:
            self._inner.upload(b"".join(frame.pack() for frame in rest))

    async def ask(self, message: bytes) -> bytes:
        *opening, ask = [frame for frame in unpack(message) if not self._keep(frame)]
        question = frames.Question.unpack(ask.payload)
        self._prefix += question.states
        again = replace(ask, wire=int(self._wire), payload=frames.Question(question.generated, self._prefix).pack())
        return await self._inner.ask(b"".join(frame.pack() for frame in (*opening, again)))

    async def close(self) -> None:
        await self._inner.close()

    def _keep(self, frame: Frame) -> bool:
        """Whether a frame is only states, which are kept for the next question."""
        if frame.kind is Kind.CLOSE:
            self._prefix = b""
        if frame.kind is not Kind.STATES:
            return False
        self._prefix += frame.payload
        return True


class Whole:
    """The unsplit model, generating greedily in the cloud and streaming every token back over the link."""

    def __init__(self, recorder: Recorder, checkpoint: Checkpoint) -> None:
        self._recorder = recorder
        self._embedding = checkpoint.load([EMBEDDING])[EMBEDDING].float()
        self._layers = Layers(checkpoint, 0, checkpoint.layers, torch.float32, CPU)
        self._head = output_head(checkpoint, torch.float32, CPU)

    @torch.inference_mode()
    def say(self, prompt: Sequence[int], most: int, end: int) -> list[int]:
        """The answer, at most `most` tokens, `end` included."""
        cache, said = self._layers.new_cache(), list[int]()
        while len(said) < most and said[-1:] != [end]:
            said.append(self._next(cache, said[-1:] or prompt))
        opening = Frame(Kind.OPEN, 0, 0, payload=Draw().pack() + pack_tokens(list(prompt)))
        token = Frame(Kind.TOKENS, 0, 0, count=1, payload=pack_tokens([0]))
        self._recorder.streamed(len(opening.pack()), len(token.pack()))
        return said

    def _next(self, cache: KvCache, tokens: Sequence[int]) -> int:
        with self._recorder.timed(Side.CLOUD, len(self._layers), len(tokens)):
            states: Tensor = embedding(torch.tensor(tokens), self._embedding)
            return int(self._head.logits(self._layers.run([Segment(cache, states)])[0][-1:]).argmax())
