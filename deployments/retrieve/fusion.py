"""One ranking out of several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TypeVar

from deployments.messages import Passage

K = TypeVar("K", bound=Hashable)
_CONSTANT = 60  # the value of the paper, which found results to be insensitive to it


def reciprocal_rank_fusion(rankings: Sequence[Sequence[K]]) -> list[tuple[K, float]]:
    """Everything in `rankings` with the sum of 1 / (60 + rank), best first (Cormack, Clarke & Büttcher, SIGIR 2009).

    Of equal sums the one that appears first in the earlier ranking comes first.
    """
    sums: defaultdict[K, float] = defaultdict(float)
    for ranking in rankings:
        for rank, item in enumerate(ranking, start=1):
            sums[item] += 1 / (_CONSTANT + rank)
    return sorted(sums.items(), key=lambda pair: -pair[1])


def fuse(rankings: Sequence[Sequence[Passage]], k: int) -> list[Passage]:
    """The best `k` passages over the rankings of several questions; a single ranking keeps its scores."""
    if len(rankings) == 1:
        return list(rankings[0][:k])
    by_id = {passage.passage_id: passage for ranking in rankings for passage in ranking}
    fused = reciprocal_rank_fusion([[passage.passage_id for passage in ranking] for ranking in rankings])
    return [replace(by_id[name], score=score) for name, score in fused[:k]]
