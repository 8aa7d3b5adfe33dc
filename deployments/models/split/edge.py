"""The edge's part of a split model: layers 1..b with their exits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import embedding

from deployments.models.split.checkpoint import EMBEDDING, Checkpoint
from deployments.models.split.codec import NO_NUMBERS, Wire, encode
from deployments.models.split.draw import Draw
from deployments.models.split.errors import StateError
from deployments.models.split.heads import Head, exit_heads
from deployments.models.split.kv import KvCache
from deployments.models.split.layers import Layers, Segment
from deployments.models.split.partition import Partition


@dataclass(frozen=True, slots=True)
class Guess:
    """What an exit would say next."""

    token: int
    confidence: float
    """The largest probability that the exit sees: max p of the paper."""


@dataclass(slots=True, eq=False)
class Text:
    """A prompt and what follows it, as the edge has computed it. Position p is the p-th token, from 0."""

    tokens: list[int]
    draw: Draw
    lower: KvCache
    """Layers 1..a of every token that was read."""
    upper: KvCache | None
    """Layers a+1..b; behind `lower` by the tokens that left at the first exit. None when there are no such layers."""
    prompt_length: int = 0
    is_sent: bool = True
    """Whether states are kept for the link."""
    states: list[bytes] = field(default_factory=list)
    """The state after layer a of every token that was read, as it crosses the link."""
    pending: list[Tensor] = field(default_factory=list)
    """States (positions, width) that the layers above a have not seen."""
    first: Guess | None = None
    """What the first exit says after the last token that was read."""
    second: Guess | None = None
    """What the second exit says there, if it was asked."""
    failure: StateError | None = None
    """Why its states cannot cross the link, or say nothing at all."""

    def __post_init__(self) -> None:
        self.prompt_length = len(self.tokens)

    @property
    def generated(self) -> list[int]:
        """What was generated so far."""
        return self.tokens[self.prompt_length :]

    @property
    def unread(self) -> list[int]:
        """Tokens that layers 1..a have not seen."""
        return self.tokens[self.lower.length :]

    def cut(self, length: int) -> None:
        """Take back all tokens from position `length` on, and what was computed from them."""
        del self.tokens[length:]
        del self.states[length:]
        self.lower.truncate(length)
        if self.upper is not None:
            self.upper.truncate(length)
            waiting = torch.cat(self.pending) if self.pending else None
            self.pending = [] if waiting is None else [waiting[: max(0, length - self.upper.length)]]


class EdgePart:
    """Computes; decides nothing. Both methods block, and work on several texts in one pass."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        partition: Partition,
        exits: Path | None,
        wire: Wire,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """Load layers 1..b and the exits; without the file `exits` both use the model's own output (`exit_heads`).

        Raises ConfigurationError when checkpoint, exits and partition do not fit.
        """
        self.partition = partition
        self.fingerprint = checkpoint.fingerprint(partition)
        self._wire = wire
        self._embedding = checkpoint.load([EMBEDDING])[EMBEDDING].to(device, dtype)
        self._lower = Layers(checkpoint, 0, partition.a, dtype, device)
        self._upper = Layers(checkpoint, partition.a, partition.b, dtype, device)
        self._heads = exit_heads(checkpoint, partition, exits, dtype, device)

    def open(self, prompt: Sequence[int], draw: Draw, *, is_sent: bool = True) -> Text:
        """A text of which nothing is read. What stays at the edge need not fit the link's number format."""
        upper = self._upper.new_cache() if len(self._upper) else None
        return Text(list(prompt), draw, self._lower.new_cache(), upper, is_sent=is_sent)

    @torch.inference_mode()
    def read(self, texts: Sequence[Text], most: int) -> list[Guess | None]:
        """Run layers 1..a over unread tokens, at most `most` of each text.

        What the first exit says after the last token; None for a text that is not at its end, and for one with a `failure`.
        """
        segments = []
        for text in texts:
            tokens = torch.tensor(text.unread[:most], device=self._embedding.device)
            segments.append(Segment(text.lower, embedding(tokens, self._embedding)))
        outputs = self._lower.run(segments)
        for text, states in zip(texts, outputs, strict=True):
            if text.upper is not None:
                text.pending.append(states)
            if text.is_sent:
                _keep(text, states, self._wire)
        whole = [(text, states) for text, states in zip(texts, outputs, strict=True) if not (text.unread or text.failure)]
        for text, guess in zip((text for text, _ in whole), _guesses(whole, self._heads[self.partition.a]), strict=True):
            text.first, text.second = guess, None
        return [None if text.unread or text.failure else text.first for text in texts]

    @torch.inference_mode()
    def deepen(self, texts: Sequence[Text]) -> list[Guess]:
        """Run layers a+1..b over all that left early; what the second exit says, of no meaning for a text with a `failure`.

        All tokens must have been read.
        """
        segments = [Segment(text.upper, torch.cat(text.pending)) for text in texts if text.upper is not None]
        if not segments:  # there is one exit only
            return [text.first for text in texts if text.first is not None]
        outputs = self._upper.run(segments)
        guesses = _guesses(list(zip(texts, outputs, strict=True)), self._heads[self.partition.b])
        for text, guess in zip(texts, guesses, strict=True):
            text.pending.clear()
            text.second = guess
        return guesses


def _keep(text: Text, states: Tensor, wire: Wire) -> None:
    try:
        text.states.extend(encode(states, wire))
    except StateError as error:  # the other texts of the pass are well
        text.failure = error


def _guesses(texts: Sequence[tuple[Text, Tensor]], head: Head) -> list[Guess]:
    if not texts:
        return []
    logits = head.logits(torch.stack([states[-1] for _, states in texts]))
    best, tokens = logits.softmax(1).max(1)
    for (text, _), is_finite in zip(texts, best.isfinite().tolist(), strict=True):
        if not is_finite:  # the other texts of the pass are well
            text.failure = StateError(NO_NUMBERS)
    return [Guess(_pick(text, logits[i], int(tokens[i])), float(best[i])) for i, (text, _) in enumerate(texts)]


def _pick(text: Text, logits: Tensor, best: int) -> int:
    if text.draw.temperature <= 0 and not text.draw.needs_text:
        return best
    return text.draw.pick(logits, len(text.tokens), text.generated)
