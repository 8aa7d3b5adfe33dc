"""The cloud's part of a split model: layers a+1..N and the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from deployments.models.split.checkpoint import Checkpoint
from deployments.models.split.codec import NO_NUMBERS
from deployments.models.split.context import Context
from deployments.models.split.draw import Draw
from deployments.models.split.errors import StateError
from deployments.models.split.heads import output_head
from deployments.models.split.kv import KvCache
from deployments.models.split.layers import Layers, Segment
from deployments.models.split.partition import Partition


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One session's share of a pass."""

    context: Context
    draw: Draw
    positions: int
    """How many of the waiting states to run."""
    asked: int = 0
    """The tokens after how many of the last ones are wanted; never more than `positions`."""
    generated: Sequence[int] = ()
    """What was generated up to and with the last position, if the draw needs it."""


class CloudPart:
    """Computes; keeps nothing itself."""

    def __init__(self, checkpoint: Checkpoint, partition: Partition, dtype: torch.dtype, device: torch.device) -> None:
        """Load layers a+1..N, the last norm and the output. Raises ConfigurationError when they do not fit."""
        self.fingerprint = checkpoint.fingerprint(partition)
        self.width = checkpoint.width
        self.vocabulary = int(checkpoint.config.vocab_size)
        self._layers = Layers(checkpoint, partition.a, partition.n, dtype, device)
        self._head = output_head(checkpoint, dtype, device)

    def new_cache(self) -> KvCache:
        """An empty cache for one session."""
        return self._layers.new_cache()

    @torch.inference_mode()
    def run(self, jobs: Sequence[Job]) -> list[list[int]]:
        """One forward pass over all jobs; for each the tokens that it asked for, none if its context has a `failure` then.

        Blocks. No context may come twice.
        """
        outputs = self._layers.run([Segment(job.context.cache, job.context.take(job.positions)) for job in jobs])
        wanted = [states[len(states) - job.asked :] for job, states in zip(jobs, outputs, strict=True)]
        logits = torch.split(self._head.logits(torch.cat(wanted)), [job.asked for job in jobs])
        answers: list[list[int]] = []
        for job, rows in zip(jobs, logits, strict=True):
            if not rows.isfinite().all():  # the other jobs of the pass are well
                job.context.failure = StateError(NO_NUMBERS)
                answers.append([])
                continue
            first = job.context.cache.length - job.asked  # the position whose successor the first row tells
            told = [
                job.draw.pick(row, first + i + 1, job.generated[: len(job.generated) - (job.asked - 1 - i)])
                for i, row in enumerate(rows)
            ]
            if job.asked:
                job.context.answers = {first + i: token for i, token in enumerate(told)}
            answers.append(told)
        return answers
