"""What a path shows while it runs, beside its answer: by this it can be told whether a costlier path is worth trying."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Signals:
    """None where nothing was shown, as by a path that retrieves nothing. Logarithms are natural."""

    top_score: float | None = None
    """The retriever's score of the first passage; each retriever has its own scale."""
    margin: float | None = None
    """By how much that is above the score of the next, or above 0 if none was found beside it."""
    mean_logprob: float | None = None
    """Of the answer's tokens, by the model that wrote them: the mean of the logarithms of their probabilities."""
    least_logprob: float | None = None
    """The same of the token that the model was least sure of."""
    tokens: float | None = None
    """Length of the answer."""

    @classmethod
    def joined(cls, parts: Iterable[Signals]) -> Signals:
        """What several stages showed; of two that show the same the later one counts."""
        known = {field.name: value for part in parts for field in fields(cls) if (value := getattr(part, field.name)) is not None}
        return cls(**known)


NO_SIGNALS = Signals()
SIGNALS = tuple(field.name for field in fields(Signals))
