"""How training goes: running exact match per kind of answer, and the curve that is kept."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from examples.smart_home.query import KINDS
from examples.smart_home.rows import Batch

_KEEP = 0.95  # of a running mean at every step: about the last 20 steps count
READING = frozenset({*KINDS, "recall"})


@dataclass(slots=True)
class Progress:
    """Tokens and steps done, the stage they were in, and the scores so far."""

    step: int = 0
    tokens: int = 0
    answers: int = 0
    stage: int = 0
    stage_steps: int = 0
    stage_tokens: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)  # exact match by tag, running mean
    curve: list[dict[str, float]] = field(default_factory=list)

    def note(self, batch: Batch, logits: Tensor, loss: float, workers: int = 1) -> None:
        """Count `batch`, whose last-layer `logits` were (answer tokens, vocabulary), for each worker."""
        right = exact(batch, logits)
        for tag in set(batch.tags):
            hits = [hit for hit, other in zip(right, batch.tags, strict=True) if other == tag]
            now = sum(hits) / len(hits)
            self.scores[tag] = _KEEP * self.scores.get(tag, now) + (1 - _KEEP) * now
        self.loss = _KEEP * self.loss + (1 - _KEEP) * loss if self.loss else loss
        self.step += 1
        self.stage_steps += 1
        self.answers += len(batch.tags) * workers
        self.tokens += batch.tokens.numel() * workers
        self.stage_tokens += batch.tokens.numel() * workers

    @property
    def reading(self) -> float:
        """The worst running exact match among the kinds of reading seen in this stage."""
        return min((score for tag, score in self.scores.items() if tag in READING), default=0.0)

    def next_stage(self) -> None:
        """Begin the next stage with empty scores."""
        self.stage += 1
        self.stage_steps = self.stage_tokens = 0
        self.scores = {}

    def mark(self) -> None:
        """Add a point to the curve."""
        counts = {"step": self.step, "stage": self.stage, "tokens": self.tokens, "answers": self.answers}
        measured = {"seconds": round(self.seconds, 1), "loss": round(self.loss, 4)}
        self.curve.append(counts | measured | {tag: round(score, 4) for tag, score in self.scores.items()})

    def write(self, file: Path) -> None:
        """The curve as JSON."""
        file.write_text(json.dumps(self.curve) + "\n")


def exact(batch: Batch, logits: Tensor) -> list[bool]:
    """Per answer: is every token the most likely one? With greedy decoding this is exact match."""
    wrong = (logits.argmax(-1) != batch.target).float()
    mistakes = torch.zeros(len(batch.tags)).index_add_(0, batch.answer, wrong)
    return [bool(count == 0) for count in mistakes.tolist()]
