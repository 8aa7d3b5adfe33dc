"""The path space: the product of the stages' options without the combinations that make no sense."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from policies.types import NONE, Path

SEARCH_ONLY = frozenset({"step_back", "hyde", "decompose"})
"""Preprocessors that only change what is searched for."""
REORDERING = frozenset({"mmr", "rerank"})
"""Refiners that only choose among passages."""


def space(preprocess: Sequence[str], retrieve: Sequence[str], refine: Sequence[str], generate: Sequence[str]) -> tuple[Path, ...]:
    """Every sensible path, each once, in the order of a trie: paths with the same first stages are neighbours."""
    one, two, three, four = (tuple(dict.fromkeys(stage)) for stage in (preprocess, retrieve, refine, generate))
    return tuple(path for path in (Path(*choice) for choice in product(one, two, three, four)) if senseless(path) is None)


def senseless(path: Path) -> str | None:
    """Why `path` cannot do better than a shorter one, or None if it can."""
    if path.retrieve == NONE:
        if path.refine != NONE:
            return f"{path.refine} has nothing to refine without retrieval"
        if option(path.preprocess) in SEARCH_ONLY:
            return f"{path.preprocess} writes a search that nothing searches with"
    elif option(path.refine) in REORDERING and passages(path.retrieve) == 1:
        return f"{path.refine} has nothing to choose from: {path.retrieve} finds one passage"
    return None


def option(choice: str) -> str:
    """The option's name without its parameter: `hybrid` of `hybrid@5`."""
    return choice.partition("@")[0]


def parameter(choice: str) -> str:
    """What follows the name: `5` of `hybrid@5`, `verified@4` of `home@verified@4`; empty if nothing does."""
    return choice.partition("@")[2]


def passages(retrieve: str) -> int | None:
    """How many passages an option such as `bm25@5` finds; None if it does not say."""
    count = parameter(retrieve)
    return int(count) if count.isdecimal() else None
