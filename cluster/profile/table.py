"""A profile with what its folder says beside the measurements."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from policies.errors import ConfigurationError
from policies.types import NONE, Path, Profile, Tier

QUERIES, OUTCOMES, PATHS = "queries.parquet", "outcomes.parquet", "paths.csv"
MEASURES = ("accuracy", "latency_s", "cost_usd", "energy_j")


@dataclass(frozen=True, slots=True)
class PathRow:
    """A row of `paths.csv`: `name` is whatever the table calls the path; a profile of ours uses `Path.name`."""

    name: str
    tier: Tier
    preprocess: str = NONE
    retrieve: str = NONE
    refine: str = NONE
    generate: str = NONE

    @property
    def path(self) -> Path:
        return Path(self.preprocess, self.retrieve, self.refine, self.generate)

    @property
    def options(self) -> tuple[str, str, str, str]:
        """The option of each stage, in the stages' order."""
        return (self.preprocess, self.retrieve, self.refine, self.generate)


@dataclass(frozen=True, slots=True)
class Table:
    """`paths`, `domains` and `references` are in the order of the profile's columns and rows, and so are `signals`, of shape
    (queries, paths, signals), NaN where nothing was shown; None if the profile was measured without them."""

    profile: Profile
    paths: tuple[PathRow, ...]
    domains: tuple[str, ...]
    references: tuple[str, ...]
    signals: npt.NDArray[np.float64] | None = None

    def only(self, names: Collection[str]) -> Table:
        """Without the paths that are not among `names`, as when the configuration no longer has them.

        Raises ConfigurationError if none is left.
        """
        kept = [row.name for row in self.paths if row.name in names]
        if not kept:
            raise ConfigurationError("None of the profile's paths is in the configuration; run 'isthmus profile' again.")
        return self.select(kept)

    def select(self, names: Sequence[str]) -> Table:
        """The paths `names`, in this order. Raises KeyError for one that the table does not have."""
        place = {name: index for index, name in enumerate(self.profile.paths)}
        columns = [place[name] for name in names]
        cells = {measure: np.ascontiguousarray(getattr(self.profile, measure)[:, columns]) for measure in MEASURES}
        profile = Profile(self.profile.query_ids, self.profile.queries, tuple(names), **cells)
        signals = None if self.signals is None else self.signals[:, columns]
        return replace(self, profile=profile, paths=tuple(self.paths[column] for column in columns), signals=signals)

    def rows(self, chosen: Sequence[int]) -> Table:
        """The queries at the places `chosen`, in this order."""
        cells = {measure: getattr(self.profile, measure)[list(chosen)] for measure in MEASURES}
        ids, queries = (tuple(column[row] for row in chosen) for column in (self.profile.query_ids, self.profile.queries))
        profile = Profile(ids, queries, self.profile.paths, **cells)
        domains, references = (tuple(column[row] for row in chosen) for column in (self.domains, self.references))
        signals = None if self.signals is None else self.signals[list(chosen)]
        return replace(self, profile=profile, domains=domains, references=references, signals=signals)
