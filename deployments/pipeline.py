"""The light stages of a path, in the gateway's own process: from a dialogue to the prompt of the answering model."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Self, TypeVar

import numpy as np

from cluster.config import Config, Power
from cluster.encoder import Encoder, FloatArray, open_encoder
from cluster.energy import EnergyMeter
from cluster.index import Index, open_index
from deployments import prompts
from deployments.messages import Completion, Passage, StageReport
from deployments.preprocess import PREPROCESSORS, Ask, Prepared, Preprocessor
from deployments.prompts import Message
from deployments.refine import REFINERS, Refiner
from deployments.registry import split_option
from deployments.retrieve import RETRIEVERS, Retriever, fuse
from deployments.shared import Ran, Shared
from policies.errors import ConfigurationError
from policies.signals import Signals
from policies.types import NONE, Path

T = TypeVar("T")
_SEARCHED = 8192  # characters of a question that are searched with: far more than an encoder reads, far less than a body may have
_EMBEDDED_AT_ONCE = 16  # texts: about a tenth of a second of one core when they are long
_THREADS = max(1, (os.cpu_count() or 1) // 2)  # the other half of the machine is for the engines beside the gateway


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the stages before the model made of a dialogue."""

    messages: tuple[Message, ...]
    """The dialogue to put to the answering model, with the passages in it."""
    dialogue: tuple[Message, ...]
    """The same without the passages."""
    passages: tuple[Passage, ...]
    """The passages in the messages, in the order of their numbers there: the sources of the answer."""
    reports: tuple[StageReport, ...]
    """One for each stage that ran (none for the option `none`), in the order in which they ran."""
    seconds: float
    """What the stages took, without queues, whether they ran now or for another path."""


class Pipeline:
    """Runs preprocess, retrieve and refine. One per gateway; safe for any number of requests at once.

    What computes runs on a few threads of its own, never on the event loop; what calls a model awaits `ask`.
    """

    def __init__(self, config: Config, index: Index | None, encoder: Encoder) -> None:
        """Raises ConfigurationError if an option of `config.stages` is unknown or lacks what it needs."""
        stages = config.stages
        self.encoder = encoder
        self._site = config.cluster.head.name
        # `none` always, since the fallback path may need it
        self._preprocessors: dict[str, Preprocessor] = {name: PREPROCESSORS[name]() for name in {*stages.preprocess, NONE}}
        self._retrievers = _open_retrievers(stages.retrieve, index, encoder)
        self._refiners: dict[str, Refiner] = {
            name: REFINERS[name](stages, index, encoder) for name in stages.refine if name != NONE and index is not None
        }
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="stage")
        self._meter = EnergyMeter.of_this_process(_power_of_edge(config), share=1 / _THREADS)

    @classmethod
    def open(cls, config: Config) -> Self:
        """Load the encoder and the index that `config` names. Blocks for seconds; raises ConfigurationError."""
        encoder = open_encoder(config.stages.encoder)
        index = open_index(config.documents.index, encoder) if config.documents else None
        return cls(config, index, encoder)

    async def prepare(self, path: Path, dialogue: Sequence[Message], ask: Ask, shared: Shared | None = None) -> Prompt:
        """Run the stages of `path` before its model, but for those that `shared` has. `dialogue` is not empty; its last user
        turn is the question.

        Raises what `ask` raises, and ConfigurationError for an option that is not in the configuration.
        Cancelling it cancels the call to a model at once; a computation that has begun ends in the background.
        """
        shared = Shared() if shared is None else shared
        first = await shared.once(path.preprocess, partial(self._preprocess, path.preprocess, dialogue, ask))
        prepared, passages = first.value, list[Passage]()
        ran: list[Ran[Any]] = [first]
        if path.retrieve != NONE:
            k = self._wanted(path)
            find = partial(self._retrieve, path.retrieve, k, prepared.searches)
            found = await shared.once((path.preprocess, path.retrieve, k), find)
            ran, passages = [*ran, found], found.value
        if path.refine != NONE and passages:
            refine = partial(self._refine, path, prepared, passages)
            key = (path.preprocess, path.retrieve, path.refine)
            refined = await shared.once(key, partial(self._compute, "refine", path.refine, refine))
            ran, passages = [*ran, refined], refined.value
        asked = prompts.replace_question(dialogue, prepared.question)
        messages = prompts.answer(asked, [passage.text for passage in passages])
        reports = tuple(report for stage in ran for report in stage.reports)
        return Prompt(tuple(messages), tuple(asked), tuple(passages), reports, sum(stage.seconds for stage in ran))

    async def embed(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors of `texts`, shape (texts, dimension), computed off the event loop.

        A few at a time: searches of other requests take turns with them, and a cancelled call computes no more.
        """
        loop, vectors = asyncio.get_running_loop(), np.empty((len(texts), self.encoder.dimension), dtype=np.float32)
        for first in range(0, len(texts), _EMBEDDED_AT_ONCE):
            rows = slice(first, first + _EMBEDDED_AT_ONCE)
            vectors[rows] = await loop.run_in_executor(self._pool, self.encoder.encode, texts[rows])
        return vectors

    async def embed_one(self, text: str) -> FloatArray:
        """The unit vector of a question, shape (dimension,); retrieval finds it remembered."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.encoder.encode_one, text)

    def close(self) -> None:
        """Stop the threads; what waits for them is cancelled."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _preprocess(self, option: str, dialogue: Sequence[Message], ask: Ask) -> tuple[Prepared, tuple[StageReport, ...]]:
        reports: list[StageReport] = []

        async def ask_and_note(messages: Sequence[Message]) -> Completion:
            completion = await ask(messages)
            reports.append(replace(completion.report, stage="preprocess", option=option))
            return completion

        prepared = await _known(self._preprocessors, "preprocess", option).prepare(dialogue, ask_and_note)
        return prepared, tuple(reports)

    async def _retrieve(self, option: str, k: int, searches: Sequence[str]) -> tuple[list[Passage], tuple[StageReport, ...]]:
        """The passages; by how much the first one is better than the next is seen even where only one is wanted."""
        found, (report,) = await self._compute("retrieve", option, partial(self._find, option, max(2, k), searches))
        if not found:
            return found, (report,)
        top, following = [*(passage.score for passage in found), 0.0][:2]
        return found[:k], (replace(report, shown=Signals(top_score=top, margin=top - following)),)

    def _wanted(self, path: Path) -> int:
        """How many passages to find: a refiner may want more to choose from than are shown."""
        _, k = _known(self._retrievers, "retrieve", path.retrieve)
        return k if path.refine == NONE else k * _known(self._refiners, "refine", path.refine).widen

    def _find(self, option: str, k: int, searches: Sequence[str]) -> list[Passage]:
        retriever, _ = self._retrievers[option]
        return fuse(retriever.search([text[:_SEARCHED] for text in searches], k), k)

    def _refine(self, path: Path, prepared: Prepared, passages: Sequence[Passage]) -> list[Passage]:
        _, k = self._retrievers[path.retrieve]
        return _known(self._refiners, "refine", path.refine).refine(prepared.question[:_SEARCHED], passages, k)

    async def _compute(
        self, stage: Literal["retrieve", "refine"], option: str, work: Callable[[], T]
    ) -> tuple[T, tuple[StageReport, ...]]:
        asked_at = time.perf_counter()

        def measured() -> tuple[T, float, float]:
            began_at = time.perf_counter()
            with self._meter.span() as span:
                done = work()
            return done, began_at - asked_at, span.joules

        done, wait_s, joules = await asyncio.get_running_loop().run_in_executor(self._pool, measured)
        seconds = time.perf_counter() - asked_at
        source = self._meter.source
        return done, (StageReport(stage, option, self._site, seconds, energy_j=joules, energy_source=source, wait_s=wait_s),)


def _open_retrievers(options: Sequence[str], index: Index | None, encoder: Encoder) -> dict[str, tuple[Retriever, int]]:
    """Each option that retrieves, with its number of passages."""
    retrieving = [option for option in options if option != NONE]
    if not retrieving:
        return {}
    if index is None:
        raise ConfigurationError(
            f"stages.retrieve has {retrieving[0]!r}, but there are no documents; set documents.folder and run `isthmus index`."
        )
    named = {option: split_option(option) for option in retrieving}
    return {option: (RETRIEVERS[name](index, encoder), k) for option, (name, k) in named.items()}


def _power_of_edge(config: Config) -> Power:
    """The gateway shares its machine with the edge models, so their device's watts are the light stages' too."""
    return next((model.power for model in config.models.values() if model.tier == "edge"), Power())


def _known(options: Mapping[str, T], stage: str, option: str) -> T:
    try:
        return options[option]
    except KeyError:
        raise ConfigurationError(f"The configuration has no {stage} option {option!r}; add it to stages.{stage}.") from None
