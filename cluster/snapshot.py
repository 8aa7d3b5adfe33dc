"""What a gateway decides by: a profile, learnt from. The one place where a profile becomes a forecaster and a selector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from cluster.config import Config
from cluster.profile import Table, read_table
from policies.adaptive import Adaptive, Shown, fit_adaptive
from policies.corrections import Corrections
from policies.errors import ConfigurationError
from policies.forecast import Axis, Forecast
from policies.predict import fit_predictor
from policies.runtime import Forecaster
from policies.select import Preference, Selector
from policies.signals import Signals
from policies.steps import Spent, Step, Steps
from policies.types import Decision, Path, Profile, Slo

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

AXIS: Axis = "latency_s"
BAND = 0.01
"""One hundredth of accuracy is within the noise of a profile of hundreds of queries; the quicker path wins there."""
PREFERENCE = Preference(AXIS, band=BAND)
"""Of a caller who wants nothing but limits."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Immutable, so that a new one takes its place at any moment. Arrays are in the order of `paths`, `places` its inverse;
    the adaptive paths are the last.

    `calls` of shape (models, paths) counts how often a path asks each of `models`.
    """

    fingerprint: str
    """Of the profile: what is learnt about its paths says nothing about those of another."""
    paths: tuple[Path, ...]
    fixed: tuple[str, ...]
    """Names of the paths that are not adaptive."""
    places: Mapping[Path, int]
    on_edge: BoolArray
    models: tuple[str, ...]
    calls: FloatArray
    queries: int
    forecaster: Forecaster
    selector: Selector
    steps: Steps
    preference: Preference

    def forecast(self, question: str, vector: npt.NDArray[np.float32], corrections: Corrections | None = None) -> Forecast:
        """What to expect of every path for `question`, whose unit vector is `vector`, on an idle system. `corrections` are of the
        fixed paths, from which the adaptive ones follow."""
        forecast = self.forecaster.forecast(vector, question)
        return self.steps.extend(corrections.apply(forecast) if corrections else forecast)

    def select(self, forecast: Forecast, slo: Slo) -> Decision:
        """The best path within `slo`, else what it wants then. Raises InfeasibleSlo and InvalidRequest."""
        return self.selector.select(forecast, slo, self.preference)

    def select_among(self, places: npt.NDArray[np.intp], forecast: Forecast, slo: Slo) -> Decision:
        """The same, of the paths at `places` only."""
        return _narrowed(self, tuple(places.tolist())).select(forecast.among(places), slo, self.preference)

    def step(self, path: Path, forecast: Forecast, shown: Signals, slo: Slo, spent: Spent) -> Step:
        """Whether the adaptive `path` goes on after its first part; `forecast` is of what is still to come."""
        return self.steps.step(self.places[path] - len(self.fixed), forecast, shown, slo, spent)


def read_profile(config: Config) -> Table:
    """The configured profile, without the paths that the configuration no longer has. Raises ConfigurationError."""
    if config.profile is None:
        raise ConfigurationError("The configuration names no profile; give the folder of one under 'profile'.")
    return read_table(config.profile).only({path.name for path in config.paths})


def fit_snapshot(config: Config, table: Table, vectors: npt.ArrayLike) -> Snapshot:
    """Learn from `table`, whose queries have the unit `vectors`, shape (queries, width). Takes seconds."""
    exact = np.asarray(vectors, dtype=np.float64)
    predictor = fit_predictor(table.profile, exact, [row.options for row in table.paths])
    fixed = tuple(Path.parse(row.name) for row in table.paths)
    adaptive: tuple[Adaptive, ...] = ()
    if table.signals is not None and AXIS in predictor.costs:
        shown = Shown.of(table.profile, table.signals, predictor, AXIS)
        adaptive = fit_adaptive(shown, fixed, PREFERENCE)
    paths = (*fixed, *(replace(fixed[each.first], then=fixed[each.then]) for each in adaptive))
    on_edge = np.array([config.stays_on_edge(path) for path in paths])
    models = config.options
    calls = _calls(models, [config.models_of(path) for path in paths])
    places = {path: place for place, path in enumerate(paths)}
    return Snapshot(
        fingerprint=_fingerprint(table.profile),
        paths=paths,
        fixed=tuple(path.name for path in fixed),
        places=places,
        on_edge=on_edge,
        models=models,
        calls=calls,
        queries=len(table.profile.queries),
        forecaster=Forecaster(predictor),
        selector=Selector(paths, on_edge),
        steps=Steps(adaptive, PREFERENCE),
        preference=PREFERENCE,
    )


@lru_cache(maxsize=8)
def _narrowed(snapshot: Snapshot, places: tuple[int, ...]) -> Selector:
    """Remembered, since a server that is away stays so for many requests."""
    return Selector([snapshot.paths[place] for place in places], snapshot.on_edge[list(places)])


def _calls(models: Sequence[str], asked: Sequence[tuple[str, ...]]) -> FloatArray:
    return np.array([[float(names.count(model)) for names in asked] for model in models])


def _fingerprint(profile: Profile) -> str:
    digest = sha256("\0".join((*profile.queries, *profile.paths)).encode("utf-8", "replace"))
    for cells in (profile.accuracy, profile.latency_s, profile.cost_usd, profile.energy_j):
        digest.update(np.ascontiguousarray(cells).tobytes())
    return digest.hexdigest()[:16]
