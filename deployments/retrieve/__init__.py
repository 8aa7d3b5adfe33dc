"""Retrieval options: `none`, `bm25@K`, `dense@K`, `hybrid@K`; the pipeline itself is `none`."""

from collections.abc import Callable

from cluster.encoder import Encoder
from cluster.index import Index
from deployments.registry import Registry
from deployments.retrieve.base import Retriever
from deployments.retrieve.bm25 import Bm25
from deployments.retrieve.dense import Dense
from deployments.retrieve.fusion import fuse, reciprocal_rank_fusion
from deployments.retrieve.hybrid import Hybrid

__all__ = ["RETRIEVERS", "Retriever", "fuse", "reciprocal_rank_fusion"]

RETRIEVERS: Registry[Callable[[Index, Encoder], Retriever]] = Registry(
    "retrieve", {"bm25": Bm25, "dense": Dense, "hybrid": Hybrid}
)
