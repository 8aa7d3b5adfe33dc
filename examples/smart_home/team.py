"""Data-parallel workers on one machine: each reads its own rows, all take the same step."""

from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn


class Team:
    """`size` processes of which this is number `rank`; a team of one needs no communication."""

    def __init__(self, rank: int, size: int, meeting: Path) -> None:
        self.rank, self.size = rank, size
        if size > 1:
            dist.init_process_group("gloo", init_method=f"file://{meeting.resolve()}", rank=rank, world_size=size)

    @property
    def leads(self) -> bool:
        """Whether this worker keeps the score, prints and saves."""
        return self.rank == 0

    def average(self, model: nn.Module, flag: bool) -> bool:
        """Replace the gradients by their mean over the team; true if the leader raised `flag`."""
        if self.size == 1:
            return flag
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        raised = torch.tensor([float(flag and self.leads)])
        flat = torch.cat([*(g.reshape(-1) for g in gradients), raised])
        dist.all_reduce(flat)
        flat[:-1] /= self.size
        means = torch.split(flat[:-1], [g.numel() for g in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))
        return bool(flat[-1] > 0)
