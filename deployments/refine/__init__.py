"""Refinement options: `none`, `mmr`, `rerank`, `compress`; the pipeline itself is `none`."""

from collections.abc import Callable

from cluster.config import Stages
from cluster.encoder import Encoder
from cluster.index import Index
from deployments.refine.base import Refiner
from deployments.refine.compress import Compress
from deployments.refine.mmr import Mmr, maximal_marginal_relevance
from deployments.refine.rerank import Rerank
from deployments.registry import Registry

__all__ = ["REFINERS", "Refiner", "maximal_marginal_relevance"]

REFINERS: Registry[Callable[[Stages, Index, Encoder], Refiner]] = Registry(
    "refine",
    {
        "mmr": lambda stages, index, encoder: Mmr(index),
        "rerank": lambda stages, index, encoder: Rerank(stages.reranker),
        "compress": lambda stages, index, encoder: Compress(encoder),
    },
)
