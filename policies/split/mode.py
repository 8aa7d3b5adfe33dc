"""The ways in which a split model can answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Who has the last word on a token."""

    STANDALONE = "standalone"
    """The edge alone."""
    COLLABORATIVE = "collaborative"
    """Whichever exit is confident, else the cloud (CE-CoLLM, arXiv 2411.02829)."""
    VERIFIED = "verified"
    """The cloud: what the edge says is a draft until the cloud has seen it (self-speculative decoding, arXiv 2404.16710)."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to answer with its numbers."""

    kind: Kind
    threshold: float
    """θ: an exit is believed when its largest probability reaches it. At 1 no exit is, whatever a rounded number says."""
    drafts: int = 0
    """At most so many tokens are drafted before the cloud checks them (k)."""

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"a threshold is a probability, not {self.threshold:g}")
        if self.kind is Kind.VERIFIED and self.drafts < 1:
            raise ValueError(f"verified needs at least one draft, not {self.drafts}")

    @classmethod
    def parse(cls, name: str, threshold: float) -> Mode:
        """`standalone`, a number for collaborative@θ, or `verified@K`; the others than collaborative take `threshold` for θ.

        Raises ValueError for anything else.
        """
        kind, at, drafts = name.partition("@")
        if name == Kind.STANDALONE:
            return cls(Kind.STANDALONE, threshold)
        if kind == Kind.VERIFIED and at and drafts.isdecimal():
            return cls(Kind.VERIFIED, threshold, int(drafts))
        try:
            threshold = float(name)
        except ValueError:
            raise ValueError(
                f"{name!r} is no way to answer; write standalone, a threshold from 0 to 1 like 0.8, or verified@4"
            ) from None
        return cls(Kind.COLLABORATIVE, threshold)

    @property
    def asks(self) -> bool:
        """Whether the cloud takes part."""
        return self.kind is not Kind.STANDALONE

    def believes(self, confidence: float) -> bool:
        """Whether an exit with this largest probability may speak."""
        return self.threshold < 1 and confidence >= self.threshold
