"""Early exits learn to say what the whole model says; the model itself stays as it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from deployments.models.split.checkpoint import EMBEDDING, Checkpoint
from deployments.models.split.heads import Head, output_head
from deployments.models.split.layers import Layers, Segment

CONFIDENT = 0.8
"""θ of the paper, at which the table says how far an exit can be believed."""
_RATE = 0.01
_LOGITS = 1 << 25
"""Numbers in one matrix of logits: a large vocabulary goes through the heads in pieces."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """One exit on text that it was not fitted on."""

    layer: int
    loss: float
    """Kullback-Leibler divergence from the whole model's next token to the exit's, in nats, mean over positions."""
    agreement: float
    """Share of positions where both find the same token the most likely one."""
    confident: float
    """Share of positions where the exit's largest probability is at least `CONFIDENT`."""
    confident_agreement: float | None
    """Agreement among those; None if there are none."""


class Teacher:
    """The whole model, cut behind each exit."""

    def __init__(self, checkpoint: Checkpoint, layers: Sequence[int], dtype: torch.dtype, device: torch.device) -> None:
        """Load everything. Raises ConfigurationError when the weights do not fit."""
        self.epsilon: float = checkpoint.config.rms_norm_eps
        self.output = output_head(checkpoint, dtype, device)
        self._embedding = checkpoint.load([EMBEDDING])[EMBEDDING].to(device, dtype)
        bounds = (0, *layers, checkpoint.layers)
        self._parts = [Layers(checkpoint, first, last, dtype, device) for first, last in pairwise(bounds)]

    @torch.no_grad()
    def read(self, windows: Tensor) -> list[Tensor]:
        """`windows` (windows, length) of tokens: the states (windows x length, width) behind each exit and the last layer."""
        states = list(embedding(windows.to(self._embedding.device), self._embedding))
        found = []
        for part in self._parts:
            states = part.run([Segment(part.new_cache(), window) for window in states])
            found.append(torch.cat(states))
        return found


class Fitting:
    """Exits that begin as the model's own output, and `steps` of Adam on their divergence from it.

    The rate of each tensor is a hundredth of its root mean square, so that models of any width need no other, and falls to
    zero as a cosine.
    """

    def __init__(self, teacher: Teacher, layers: Sequence[int], steps: int) -> None:
        self._teacher = teacher
        self._layers = layers
        self._steps = steps
        self.done = 0
        """Steps so far."""
        output = teacher.output
        self._heads = [Head(_learnable(output.norm), _learnable(output.matrix), teacher.epsilon) for _ in layers]
        parameters = [tensor for head in self._heads for tensor in (head.norm, head.matrix)]
        self._rates = [_RATE * float(tensor.detach().square().mean().sqrt()) for tensor in parameters]
        self._optimizer = torch.optim.Adam([{"params": [tensor]} for tensor in parameters])

    def step(self, windows: Tensor) -> float:
        """Learn from some windows; their loss before that, in nats, mean over exits and positions."""
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * (1 + math.cos(math.pi * self.done / self._steps)) / 2
        self._optimizer.zero_grad()
        total = 0.0
        *exits, last = self._teacher.read(windows)
        for piece in self._pieces(len(last)):
            wanted = self._wanted(last[piece])
            losses = [_divergence(wanted, head.logits(s[piece])).sum() for head, s in zip(self._heads, exits, strict=True)]
            loss = torch.stack(losses).sum() / (len(exits) * len(last))
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        self._optimizer.step()
        self.done += 1
        return total

    @torch.no_grad()
    def measure(self, batches: Iterator[Tensor]) -> list[Fitted]:
        """How well the exits do on other windows."""
        sums = torch.zeros(len(self._layers), 4, dtype=torch.float64)
        positions = 0
        for windows in batches:
            *exits, last = self._teacher.read(windows)
            positions += len(last)
            for piece in self._pieces(len(last)):
                wanted = self._wanted(last[piece])
                for row, head, states in zip(sums, self._heads, exits, strict=True):
                    said = head.logits(states[piece])
                    same = said.argmax(1) == wanted.argmax(1)
                    sure = said.softmax(1).amax(1) >= CONFIDENT
                    columns = (_divergence(wanted, said), same, sure, same & sure)
                    row += torch.stack([column.double().sum() for column in columns]).cpu()
        return [_fitted(layer, row.tolist(), positions) for layer, row in zip(self._layers, sums, strict=True)]

    def tensors(self) -> dict[str, Tensor]:
        """The exits under the names that `heads.exit_heads` reads."""
        found = {}
        for layer, head in zip(self._layers, self._heads, strict=True):
            found[f"exits.{layer}.norm.weight"] = head.norm.detach()
            found[f"exits.{layer}.head.weight"] = head.matrix.detach()
        return found

    def state(self) -> dict[str, Any]:
        """All that a later run needs to go on."""
        return {"done": self.done, "exits": self.tensors(), "optimizer": self._optimizer.state_dict()}

    def go_on(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self.done = state["done"]
        self._optimizer.load_state_dict(state["optimizer"])
        for name, tensor in self.tensors().items():
            tensor.copy_(state["exits"][name])

    def _wanted(self, states: Tensor) -> Tensor:
        """Logarithms of the whole model's probabilities."""
        with torch.no_grad():
            return self._teacher.output.logits(states).log_softmax(1)

    def _pieces(self, positions: int) -> list[slice]:
        size = max(1, _LOGITS // len(self._teacher.output.matrix))
        return [slice(start, start + size) for start in range(0, positions, size)]


def _learnable(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach().float().clone())


def _divergence(wanted: Tensor, logits: Tensor) -> Tensor:
    """Of each position, in nats. `wanted` are logarithms of probabilities."""
    return (wanted.exp() * (wanted - logits.log_softmax(1))).sum(1)


def _fitted(layer: int, sums: Sequence[float], positions: int) -> Fitted:
    loss, same, sure, both = sums
    return Fitted(layer, loss / positions, same / positions, sure / positions, both / sure if sure else None)
