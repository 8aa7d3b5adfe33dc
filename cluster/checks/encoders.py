"""Whether the models of the light stages are there: the sentence encoder and the cross-encoder."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cluster.checks.finding import Finding, blocked
from cluster.checks.models import names_a_folder
from cluster.config import Config


def check_encoders(config: Config) -> Iterator[Finding]:
    """What is missing; a hub name may be in the cache of downloads or not, which only loading it tells."""
    stages = config.stages
    yield from _folder("stages.encoder", stages.encoder)
    if "rerank" not in stages.refine:
        return
    if stages.reranker is None:
        yield blocked(
            "stages.reranker", "the stage rerank needs a cross-encoder; give a folder or a hub name under stages.reranker."
        )
    else:
        yield from _folder("stages.reranker", stages.reranker)


def _folder(key: str, name: str) -> Iterator[Finding]:
    if names_a_folder(name) and not os.path.isdir(name):
        yield blocked(key, f"there is no folder {name}; put the model there, or give a hub name.")
