"""Where a model is cut."""

from __future__ import annotations

from dataclasses import dataclass

from policies.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Partition:
    """The cut of CE-CoLLM: the edge holds layers 1..b, the cloud a+1..N, and both exits are at the edge."""

    a: int
    """Layers before the first exit. Every token's state after them can go to the cloud."""
    b: int
    """Layers before the second exit, the edge's last; equal to `a` when there is one exit only."""
    n: int
    """Layers of the whole model (N in the paper)."""

    def __post_init__(self) -> None:
        if not 1 <= self.a <= self.b < self.n:
            raise ConfigurationError(
                f"The exits after layers {self.a} and {self.b} do not split a model of {self.n} layers; "
                f"choose 1 <= first <= second <= {self.n - 1}."
            )

    @property
    def exits(self) -> tuple[int, ...]:
        """The layers after which the edge may answer, each once."""
        return (self.a,) if self.a == self.b else (self.a, self.b)
