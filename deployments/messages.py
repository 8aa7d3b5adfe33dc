"""What travels between the gateway and the models: small frozen types, pickled once per Ray call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cluster.energy import EnergySource
from deployments.prompts import Message
from policies.signals import NO_SIGNALS, Signals

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to pick tokens, with the OpenAI API's names and meanings."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One prompt for one model. Either `messages` (the model's chat template is applied) or a raw `prompt`."""

    request_id: str
    sampling: Sampling
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    timeout_s: float | None = None
    """Seconds that are left when the request is sent; a duration, since clocks of two sites differ."""
    fresh: bool = False
    """Read the prompt from its beginning even if the last one began alike: one query's paths measured in a row have prompts
    that do, and would otherwise seem faster than the same path is on its own."""
    mode: str = ""
    """The way to answer, of a model that has several (`SplitModel.modes`); empty for its first."""
    logprobs: bool = False
    """Report how sure the model was of its tokens. Engines that cannot tell leave it out."""


@dataclass(frozen=True, slots=True)
class StageReport:
    """What one stage of a path took. `option` is the path's word for it; times exclude the link."""

    stage: Literal["preprocess", "retrieve", "refine", "generate"]
    option: str
    site: str
    seconds: float
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    energy_j: float = 0.0
    energy_source: EnergySource = "modelled"
    wait_s: float = 0.0
    """Seconds in the queue of the engine before work began, contained in `seconds`."""
    up_bytes: int = 0
    down_bytes: int = 0
    """What the engine itself sent to the cloud and had back, of a model that is split."""
    link: str | None = None
    """The emulated link that they crossed."""
    note: str | None = None
    """What the caller should know of this answer, e.g. that it had to do without the cloud."""
    shown: Signals = NO_SIGNALS
    """What the stage showed beside its product."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a generated text: one or several tokens. The last one carries `finish_reason` and `report`."""

    text: str
    finish_reason: FinishReason | None = None
    report: StageReport | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole generated text."""

    text: str
    finish_reason: FinishReason
    report: StageReport


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved piece of a document. `score` is the retriever's or refiner's own, higher is better."""

    passage_id: str
    title: str
    text: str
    score: float
    source: str
    """The document it comes from, as a path relative to the documents folder (with `#ID` for a row of a jsonl file)."""
