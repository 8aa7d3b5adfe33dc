"""Muon in single precision: momentum whose matrix is made orthogonal before it is applied.

After https://kellerjordan.github.io/posts/muon/. `torch.optim.Muon` does its Newton-Schulz steps in
bfloat16, which processors without bfloat16 units emulate: ten times slower than the whole rest of a step.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # the post's: steepest at zero, singular values end in 0.7 .. 1.2


class Muon(torch.optim.Optimizer):
    """For 2-D weights. The step's root-mean-square is `0.2 * lr`, near AdamW's (arXiv 2502.16982)."""

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, float]) -> None:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        looked_ahead = gradient.lerp(momentum, group["momentum"])  # Nesterov
        direction = orthogonalise(looked_ahead)
        scale = 0.2 * max(parameter.shape) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"] * scale)


def orthogonalise(matrix: Tensor, steps: int = 3) -> Tensor:
    """The nearest matrix with singular values near one, by Newton-Schulz iteration (5 in the post; 3 cost less and do here)."""
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.T if tall else x
    return result
