"""How the next token is picked: the most likely one, or one drawn with noise that both parts can make again."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deployments.models.split.errors import FrameError

_FORMAT = struct.Struct("<ddddQ")


@dataclass(frozen=True, slots=True)
class Draw:
    """The OpenAI API's parameters and a seed: all that picking a token depends on beside logits, position and text.

    The noise of a position comes from seed and position alone (Gumbel-max trick), so the same distribution gives the same
    token at the edge, in the cloud, and in a model that is not split. A draft drawn by an early exit is therefore checked by
    equality with the full model's own draw: what is emitted is always a draw from the full model's distribution
    (coupling without communication, arXiv 2408.07978).
    """

    temperature: float = 0.0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int = 0
    """0..2^64 - 1."""

    @property
    def needs_text(self) -> bool:
        """Whether the tokens generated so far matter."""
        return bool(self.presence_penalty or self.frequency_penalty)

    def pick(self, logits: Tensor, position: int, generated: Sequence[int] = ()) -> int:
        """The token at `position` (from 0, the prompt's first) given its `logits` (vocabulary,)."""
        if self.needs_text and generated:
            logits = self._penalised(logits, generated)
        if self.temperature <= 0:
            return int(logits.argmax())
        scores = logits.float() / self.temperature
        if self.top_p < 1:
            scores = _nucleus(scores, self.top_p)
        noise = np.random.Generator(np.random.Philox(key=np.array([self.seed, position], np.uint64))).gumbel(size=len(scores))
        return int((scores + torch.from_numpy(noise).to(scores)).argmax())

    def pack(self) -> bytes:
        """As the payload of an OPEN frame."""
        return _FORMAT.pack(self.temperature, self.top_p, self.presence_penalty, self.frequency_penalty, self.seed)

    @classmethod
    def unpack(cls, payload: bytes) -> Draw:
        """The inverse. Raises FrameError for a payload of another length."""
        if len(payload) != _FORMAT.size:
            raise FrameError(f"the parameters of a session take {_FORMAT.size} bytes, not {len(payload)}")
        return cls(*_FORMAT.unpack(payload))

    def _penalised(self, logits: Tensor, generated: Sequence[int]) -> Tensor:
        counts = Counter(generated)
        tokens = torch.tensor(list(counts), device=logits.device)
        times = torch.tensor(list(counts.values()), dtype=logits.dtype, device=logits.device)
        logits = logits.clone()
        logits[tokens] -= self.presence_penalty + self.frequency_penalty * times
        return logits


def _nucleus(scores: Tensor, top_p: float) -> Tensor:
    """`scores` with minus infinity outside the smallest set of tokens whose probability reaches `top_p`."""
    ordered, order = scores.sort(descending=True)
    probabilities = ordered.softmax(0)
    outside = probabilities.cumsum(0) - probabilities >= top_p
    return scores.index_fill(0, order[outside], -torch.inf)
