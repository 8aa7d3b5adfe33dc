"""What the measured cells of a query tell about its others, by the options that paths have in common.

A query may do better than paths do on the whole wherever a certain model answers, or a certain retriever searches. With a tenth
of the cells measured, few paths were tried on both of two like queries, but nearly every option was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from policies.complete import Completed

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
_ROUNDS = 8
_LEAST = 1e-8  # share of the whole variance that an effect keeps at least
NOTHING = 1e-12  # residuals below it are rounding
_TRUST = 4
"""What effects leave unexplained of a measured cell counts by the share of the query's cells that were measured, to this power:
nearly nothing at a tenth, where it is mostly noise, and everything where nothing is missing."""
_ENTRIES = 2**22  # of the matrices that are held at once


def with_effects(completed: Completed, options: Sequence[Sequence[str]]) -> Completed:
    """`completed` with its residuals drawn toward a sum of the query's effects, one for all paths and one for each option.

    residual = Σ effects of the path's options + noise, with one variance for the effects of each stage, by expectation
    maximisation (random effects: Laird and Ware, 1982). Nothing changes where all cells were measured, or where paths have no
    options in common.
    """
    design = _Design.of(options)
    if completed.observed.all() or np.abs(completed.residuals).max() < NOTHING or design.has.shape[1] == 1:
        return completed
    observed = completed.observed.astype(np.float64)
    measured = np.where(completed.observed, completed.residuals, 0.0)
    effects = _effects(measured, observed, design).found @ design.has.T
    trust = observed.mean(axis=1, keepdims=True) ** _TRUST
    return replace(completed, residuals=effects + trust * observed * (measured - effects))


def covariance(completed: Completed, options: Sequence[Sequence[str]]) -> FloatArray:
    """How the residuals of one query go together, shape (paths, paths): the variances of the effects that two paths share, and
    on the diagonal also that of the noise."""
    design = _Design.of(options)
    measured = np.where(completed.observed, completed.residuals, 0.0)
    fitted = _effects(measured, completed.observed.astype(np.float64), design)
    noise = fitted.noise * np.eye(len(options))
    return np.asarray((design.has * fitted.variance[design.stage]) @ design.has.T + noise, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Design:
    """`has` of shape (paths, effects) tells which effects a path has, `stage` of shape (effects,) whose they are."""

    has: FloatArray
    stage: IntArray

    @classmethod
    def of(cls, options: Sequence[Sequence[str]]) -> _Design:
        """An option that all paths have, or a stage whose options name the paths, says nothing of its own."""
        columns, stages = [np.ones(len(options))], [0]
        for stage, chosen in enumerate(zip(*options, strict=True), start=1):
            names = sorted(set(chosen))
            if 1 < len(names) < len(options):
                columns += [np.array([float(option == name) for option in chosen]) for name in names]
                stages += [stage] * len(names)
        return cls(np.array(columns).T, np.array(stages))


@dataclass(frozen=True, slots=True)
class _Fitted:
    """`found` are the expected effects, shape (queries, effects), `variance` that of each stage's effects."""

    found: FloatArray
    variance: FloatArray
    noise: float


def _effects(measured: FloatArray, observed: FloatArray, design: _Design) -> _Fitted:
    total = max(float((measured**2).sum() / observed.sum()), NOTHING**2)
    stages, noise = np.unique(design.stage), total / 2
    variance = np.full(design.stage.max() + 1, total / 2 / len(stages))
    found = np.zeros((len(measured), len(design.stage)))
    rows = max(1, _ENTRIES // len(design.stage) ** 2)
    seen = observed.any(axis=1)
    for _ in range(_ROUNDS):
        spread, doubt = np.zeros_like(found), 0.0
        for start in range(0, len(measured), rows):
            block = slice(start, start + rows)
            inverse, information = _posterior(observed[block], design, variance[design.stage], noise)
            found[block] = np.einsum("qij,qj->qi", inverse, measured[block] @ design.has) / noise
            spread[block] = found[block] ** 2 + np.diagonal(inverse, axis1=1, axis2=2)
            doubt += float(np.einsum("qij,qji->", information, inverse))
        for stage in stages:
            variance[stage] = max(float(spread[seen][:, design.stage == stage].mean()), _LEAST * total)
        left = observed * (measured - found @ design.has.T)
        noise = max((float((left**2).sum()) + doubt) / float(observed.sum()), _LEAST * total)
    return _Fitted(found, variance, noise)


def _posterior(observed: FloatArray, design: _Design, variance: FloatArray, noise: float) -> tuple[FloatArray, FloatArray]:
    """Covariances of the queries' effects, and what the measured cells tell of them, shape (queries, effects, effects)."""
    information = np.einsum("qp,pi,pj->qij", observed, design.has, design.has, optimize=True)
    return np.linalg.inv(information / noise + np.diag(1 / variance)), information
