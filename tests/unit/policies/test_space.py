"""Which paths make sense, which stages matter, and how few evaluations find the best."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.critical import critical, losses
from policies.search import next_path
from policies.space import senseless, space
from policies.types import Path

OPTIONS = [("bm25", "small"), ("bm25", "large"), ("dense", "small"), ("dense", "large")]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none/none/mmr/m", "nothing to refine"),
        ("hyde/none/none/m", "nothing searches with"),
        ("none/bm25@1/rerank/m", "finds one passage"),
        ("none/bm25@1/compress/m", None),
        ("rewrite/none/none/m", None),
        ("none/bm25@2/mmr/m", None),
        ("none/none/none/owner/model", None),
    ],
)
def test_what_makes_no_sense(name: str, why: str | None) -> None:
    said = senseless(Path.parse(name))
    assert said is None if why is None else said is not None and why in said


@given(
    st.lists(st.sampled_from(["none", "rewrite", "hyde"]), min_size=1),
    st.lists(st.sampled_from(["none", "bm25@1", "dense@5"]), min_size=1),
    st.lists(st.sampled_from(["none", "mmr", "compress"]), min_size=1),
)
def test_neighbours_in_the_space_share_their_first_stages(pre: list[str], retrieve: list[str], refine: list[str]) -> None:
    paths = space(pre, retrieve, refine, ["a", "b"])
    assert len(set(paths)) == len(paths)
    for depth in range(1, 4):
        prefixes = [path.name.split("/")[:depth] for path in paths]
        changes = sum(left != right for left, right in pairwise(prefixes))
        assert changes == len({tuple(prefix) for prefix in prefixes}) - bool(paths)


def test_the_stage_that_matters() -> None:
    accuracy = np.array([[0.9, 0.9, 0.2, 0.2], [0.1, 0.8, 0.1, 0.8], [0.5, np.nan, np.nan, np.nan]])
    np.testing.assert_allclose(losses(accuracy, OPTIONS), [[0.7, 0.0], [0.0, 0.7], [0.0, 0.0]])
    np.testing.assert_array_equal(critical(accuracy, OPTIONS, 0.1), [[True, False], [False, True], [False, False]])


@given(st.integers(0, 1000), st.integers(0, 3))
def test_a_path_is_never_tried_twice(seed: int, known: int) -> None:
    tried = list(range(known))
    assert next_path(OPTIONS, tried, [0.5] * known, np.random.default_rng(seed)) not in tried


def test_a_search_uses_what_paths_have_in_common() -> None:
    options = [(a, b, c) for a in "abcdef" for b in "abcdef" for c in "abcdef"]
    value = np.array([sum({"a": 0.0, "b": 0.1, "c": 0.2, "d": 0.5, "e": 0.3, "f": 0.1}[o] for o in path) for path in options])
    needed = []
    for seed in range(10):
        rng, tried = np.random.default_rng(seed), list[int]()
        while not tried or value[tried].max() < value.max():
            tried.append(next_path(options, tried, value[tried].tolist(), rng))
        needed.append(len(tried))
    assert np.median(needed) <= 40  # at random it would be 108
    with pytest.raises(ValueError, match="all 4 paths"):
        next_path(OPTIONS, range(4), [0.5] * 4, np.random.default_rng(0))
