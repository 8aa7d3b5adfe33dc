"""The names that a configuration may give to models, and those of the stages' options."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from policies.errors import nearest

PREPROCESS = ("none", "rewrite", "step_back", "hyde", "decompose")
RETRIEVE = ("none", "bm25@K", "dense@K", "hybrid@K")
"""K is the number of passages, five when `@K` is left out."""
REFINE = ("none", "mmr", "rerank", "compress")
AUTO = "auto"
"""The name by which a request leaves the choice to Isthmus."""


def _model(name: str) -> str:
    """Serve refuses # in a deployment's name, the deployment of a model is called MODEL@SITE, an adaptive path FIRST>THEN."""
    if not re.fullmatch(r"[^#@>\s]+", name):
        raise ValueError("the name of a model must not be empty nor hold #, @, > or spaces")
    if name == AUTO:
        raise ValueError(f"no model can be called {AUTO!r}, by which a request leaves the choice to Isthmus")
    return name


def _retrieve(option: str) -> str:
    name, at, k = option.partition("@")
    known = [option.removesuffix("@K") for option in RETRIEVE]
    if name not in known or (at and name == "none"):
        raise ValueError(_unknown(option, nearest(name, known), RETRIEVE))
    if at and not re.fullmatch(r"[1-9][0-9]*", k):
        raise ValueError(f"{option!r} needs a positive number after the @, as in {name}@5")
    return option


def _preprocess(option: str) -> str:
    return _one_of(option, PREPROCESS)


def _refine(option: str) -> str:
    return _one_of(option, REFINE)


def _one_of(option: str, known: tuple[str, ...]) -> str:
    if option not in known:
        raise ValueError(_unknown(option, nearest(option, known), known))
    return option


def _unknown(option: str, hint: str, known: tuple[str, ...]) -> str:
    return f"there is no option {option!r}{hint}; there are {', '.join(known)}"


ModelName = Annotated[str, AfterValidator(_model)]
Preprocess = Annotated[str, AfterValidator(_preprocess)]
Retrieve = Annotated[str, AfterValidator(_retrieve)]
Refine = Annotated[str, AfterValidator(_refine)]
