"""What a tenth of the cells tells about the others, and how far predictions are trusted."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.complete import complete
from policies.effects import with_effects
from policies.predict import fit_predictor
from policies.types import Profile

OPTIONS = list(product(("none", "rewrite"), ("a@1", "a@5", "b@1", "b@5"), ("none", "mmr"), ("small", "large")))
LARGE = np.array([options[3] == "large" for options in OPTIONS])
FIVE = np.array([options[1].endswith("5") for options in OPTIONS])


def home(seed: int, queries: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of two kinds of questions, and what paths do: one kind needs the large model, the other is spoilt by five
    passages."""
    rng = np.random.default_rng(seed)
    hard = np.arange(queries) % 2 == 0
    vectors = rng.normal(0, 0.3, (queries, 16))
    vectors[:, 0] += np.where(hard, 1.0, -1.0)
    right = np.where(hard[:, None], 0.1 + 0.8 * LARGE, 0.9 - 0.6 * FIVE)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), (rng.random(right.shape) < right).astype(float)


def a_tenth(values: np.ndarray, seed: int) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(values.shape) < 0.1, values, np.nan)


@pytest.mark.parametrize("seed", range(3))
def test_a_cell_is_foretold_by_what_its_options_did(seed: int) -> None:
    _, values = home(seed)
    seen = a_tenth(values, seed)
    plain = complete(seen, OPTIONS)
    missing = np.isnan(seen)
    before, after = (
        np.corrcoef((each.means + each.residuals)[missing], values[missing])[0, 1]
        for each in (plain, with_effects(plain, OPTIONS))
    )
    assert after > before + 0.05


@pytest.mark.parametrize("seed", range(3))
def test_a_tenth_is_enough_to_send_each_kind_to_its_paths(seed: int) -> None:
    vectors, values = home(seed)
    seen = a_tenth(values, seed)
    names = tuple(f"q{row}" for row in range(len(values)))
    profile = Profile(names, names, tuple("/".join(path) for path in OPTIONS), seen, seen, seen, seen)
    chosen = fit_predictor(profile, vectors, OPTIONS).accuracy.left_out.argmax(axis=1)
    order = np.argsort(np.array(names, dtype=object))  # distinct queries are in the order of their texts
    hard = (np.arange(len(values)) % 2 == 0)[order]
    assert LARGE[chosen[hard]].mean() > 0.9
    assert FIVE[chosen[~hard]].mean() < 0.1


CELLS = st.floats(0, 1) | st.just(float("nan"))


@settings(deadline=None)
@given(st.data(), st.integers(1, 6), st.integers(1, 5))
def test_any_table_stays_finite_and_full_ones_stay_the_same(data: st.DataObject, queries: int, paths: int) -> None:
    drawn = data.draw(st.lists(CELLS, min_size=queries * paths, max_size=queries * paths))
    options = data.draw(st.lists(st.tuples(*[st.sampled_from("abc")] * 4), min_size=paths, max_size=paths))
    plain = complete(np.array(drawn).reshape(queries, paths), options)
    found = with_effects(plain, options)
    assert np.isfinite(found.residuals).all()
    assert (found.observed == plain.observed).all()
    if plain.observed.all():
        assert (found.residuals == plain.residuals).all()


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_paths_with_the_same_options_are_expected_to_do_the_same(row: list[float]) -> None:
    options = [("none", "none", "none", model) for model in "aabb" * 2]
    values = np.array([row, [0.5] * 8, [*row[:4], *[np.nan] * 4]])
    found = with_effects(complete(values, options), options).residuals[2]
    assert found[4] == pytest.approx(found[5])
    assert found[6] == pytest.approx(found[7])
