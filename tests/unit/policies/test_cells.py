"""What single cells tell: what Gaussian processes over all cells would say, and nothing of a query's own when it is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import cells
from policies.cells import Told, average_cells
from policies.complete import Completed, complete
from policies.shape import TRAITS
from policies.sight import Seen, fit_sight
from policies.sparse import fit_sparse, is_sparse

QUERIES, PATHS, SHARE = 30, 4, 0.3
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(QUERIES, 3))
ROOT = RNG.normal(size=(PATHS, PATHS))
TOGETHER = ROOT @ ROOT.T + np.eye(PATHS)
OBSERVED = RNG.random((QUERIES, PATHS)) < 0.4
RESIDUALS = np.where(OBSERVED, RNG.normal(size=(QUERIES, PATHS)), 0.0)
COMPLETED = Completed(np.zeros(PATHS), RESIDUALS, OBSERVED)
ONE_SHARE = np.array([SHARE])


def told(completed: Completed = COMPLETED) -> Told:
    return Told.of(completed, TOGETHER, np.eye(PATHS))


def likeness() -> np.ndarray:
    """Linear, with a mean of 1 on the diagonal."""
    centred = FEATURES - FEATURES.mean(axis=0)
    products = centred @ centred.T
    return products / np.diag(products).mean()


def test_it_is_the_gaussian_process_over_all_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "SHARES", ONE_SHARE)
    query, path = np.nonzero(OBSERVED)
    common = TOGETHER[np.ix_(path, path)]
    covariance = common * (SHARE * likeness() + (1 - SHARE) * np.eye(QUERIES))[np.ix_(query, query)]
    solved = np.zeros((QUERIES, PATHS))
    solved[query, path] = np.linalg.solve(covariance, RESIDUALS[query, path])
    expected = SHARE * likeness() @ solved @ TOGETHER
    assert average_cells([FEATURES], told()).predict([FEATURES]) == pytest.approx(expected, abs=1e-6)


def test_left_out_is_what_would_have_been_said_without_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "SHARES", ONE_SHARE)
    left_out = average_cells([FEATURES], told()).left_out
    for query in range(0, QUERIES, 7):
        others = OBSERVED.copy()
        others[query] = False
        without = average_cells([FEATURES], told(replace(COMPLETED, observed=others)))
        assert left_out[query] == pytest.approx(without.predict([FEATURES])[query], abs=1e-6)


def test_the_text_tells_nothing_where_there_is_nothing_to_tell() -> None:
    """Noise alone, and features that do not differ."""
    assert np.abs(average_cells([np.ones((QUERIES, 2))], told()).predict([np.ones((3, 2))])).max() == 0
    rng = np.random.default_rng(1)
    noise = replace(COMPLETED, residuals=np.where(OBSERVED, rng.normal(size=RESIDUALS.shape), 0.0))
    found = average_cells([rng.normal(size=(QUERIES, 20))], Told.of(noise, np.eye(PATHS), np.eye(PATHS)))
    assert found.left_out.std() < 0.3


def test_axes_know_what_was_measured_of_a_query() -> None:
    """With all paths on axes of their own, a measured cell without noise of its own is where it was measured."""
    places = told().places(COMPLETED, np.zeros((QUERIES, PATHS)))
    assert places[OBSERVED] == pytest.approx(RESIDUALS[OBSERVED])


def seen(queries: int) -> Seen:
    rng = np.random.default_rng(queries)
    vectors, traits = rng.normal(size=(queries, 8)), rng.normal(size=(queries, TRAITS))
    return fit_sight(vectors, traits).see(vectors, traits)


CELLS = st.floats(0, 1) | st.just(float("nan"))


@settings(deadline=None)
@given(st.data(), st.integers(1, 8), st.integers(1, 5))
def test_any_sparse_table_stays_finite(data: st.DataObject, queries: int, paths: int) -> None:
    drawn = data.draw(st.lists(CELLS, min_size=queries * paths, max_size=queries * paths))
    options = data.draw(st.lists(st.tuples(*[st.sampled_from("abc")] * 4), min_size=paths, max_size=paths))
    completed = complete(np.array(drawn).reshape(queries, paths), options)
    if is_sparse(completed):
        fit = fit_sparse(seen(queries), completed, options, np.ones(queries), 16)
        assert np.isfinite(fit.left_out).all()
        assert np.isfinite(fit.surface.residuals(seen(queries))).all()
