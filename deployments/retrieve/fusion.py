"""One ranking out of several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TypeVar

from deployments.messages import Passage

K = TypeVar("K", bound=Hashable)
_CONSTANT = 60  # the value of the paper


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[K]], weights: Sequence[float] | None = None, constant: float = _CONSTANT
) -> list[tuple[K, float]]:
    """Everything in `rankings` with the sum of weight / (constant + rank), best first (Cormack, Clarke & Büttcher, SIGIR 2009).

    The weights are 1 when not given. Of equal sums the one that appears first in the earlier ranking comes first.
    """
    sums: defaultdict[K, float] = defaultdict(float)
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, item in enumerate(ranking, start=1):
            sums[item] += weight / (constant + rank)
    return sorted(sums.items(), key=lambda pair: -pair[1])


def fuse(rankings: Sequence[Sequence[Passage]], k: int) -> list[Passage]:
    """The best `k` passages over the rankings of several questions; a single ranking keeps its scores."""
    if len(rankings) == 1:
        return list(rankings[0][:k])
    by_id = {passage.passage_id: passage for ranking in rankings for passage in ranking}
    fused = reciprocal_rank_fusion([[passage.passage_id for passage in ranking] for ranking in rankings])
    return [replace(by_id[name], score=score) for name, score in fused[:k]]
