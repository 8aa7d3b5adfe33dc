"""Learns from what all gateways experience. Every experience counts once, however often it is told.

Pure: the clock is handed in, and what must outlive a process is dumped as plain values and loaded again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from policies.experience import SERVICES, Batch, Experience, FleetState, Learned, Rated, Served, Took
from policies.posterior import PathPosterior
from policies.schedule.arms import HALF_LIFE_S, Arms, ArmTotals, Lesson
from policies.schedule.belief import LongRun
from policies.schedule.memory import Totals

PROFILES = 2
"""Profiles whose corrections are kept: while gateways change to a new one, both are in use. The longest unused goes first."""
GATEWAYS = 256
"""Gateways of which is known how far they have been heard; the longest silent is forgotten first."""
UNUSABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What `Learner.load` raises for what is no dump."""
_MEMORIES = ("ratio", "square", "reward")


class Learner:
    """All learned state of a system."""

    def __init__(self) -> None:
        self._fleets: dict[str, FleetMemory] = {}
        self._profiles: OrderedDict[str, dict[str, PathPosterior]] = OrderedDict()
        self._heard: OrderedDict[str, int] = OrderedDict()
        self.version = 0
        """Grows with everything learnt."""
        self.outcomes = 0
        self.ratings = 0

    def take(self, batch: Batch, now: float) -> int:
        """Learn what is new in a batch, and return the number of the next experience wanted from its gateway.

        A batch that leaves out some which its gateway still has is not taken: they are asked for.
        """
        next_wanted = self._heard.get(batch.gateway, 0)
        if batch.first > next_wanted and batch.first > batch.oldest:
            return next_wanted
        for model, servers in batch.servers.items():
            self._follow(model, servers, now)
        for experience in batch.experiences[max(0, next_wanted - batch.first) :]:
            self._learn(experience, now)
            self.version += 1
        self._heard[batch.gateway] = max(next_wanted, batch.first + len(batch.experiences))
        self._heard.move_to_end(batch.gateway)
        if len(self._heard) > GATEWAYS:
            self._heard.popitem(last=False)
        return self._heard[batch.gateway]

    def heard(self) -> Mapping[str, int]:
        """The next number wanted from each gateway."""
        return dict(self._heard)

    def learned(self, now: float) -> Learned:
        """For the gateways."""
        corrections = {
            profile: {path: posterior.correction for path, posterior in paths.items()}
            for profile, paths in self._profiles.items()
        }
        return Learned(self.version, {model: fleet.state(now) for model, fleet in self._fleets.items()}, corrections)

    def dump(self, now: float) -> dict[str, Any]:
        """Plain values; the inverse of `load`."""
        return {
            "version": self.version,
            "outcomes": self.outcomes,
            "ratings": self.ratings,
            "heard": dict(self._heard),
            "fleets": {model: fleet.dump(now) for model, fleet in self._fleets.items()},
            "profiles": {
                profile: {path: posterior.dump() for path, posterior in paths.items()}
                for profile, paths in self._profiles.items()
            },
        }

    @classmethod
    def load(cls, known: Mapping[str, Any], age_s: float, now: float) -> Learner:
        """What was dumped `age_s` seconds ago. Raises one of `UNUSABLE` for what is no dump."""
        learner = cls()
        learner.version, learner.outcomes, learner.ratings = (int(known[name]) for name in ("version", "outcomes", "ratings"))
        learner._heard.update({gateway: int(number) for gateway, number in known["heard"].items()})
        for model, fleet in known["fleets"].items():
            learner._fleets[model] = FleetMemory.load(fleet, age_s, now)
        for profile, paths in known["profiles"].items():
            learner._profiles[profile] = {path: PathPosterior.load(posterior) for path, posterior in paths.items()}
        return learner

    def _follow(self, model: str, servers: tuple[str, ...], now: float) -> None:
        fleet = self._fleets.get(model)
        if fleet is None:
            self._fleets[model] = FleetMemory(servers)
        elif fleet.servers != servers:
            self._fleets[model] = fleet.moved(servers, now)

    def _learn(self, experience: Experience, now: float) -> None:
        match experience:
            case Served(model, lesson):
                self.outcomes += 1
                if model in self._fleets:
                    self._fleets[model].take(lesson, now)
            case Took():
                path = self._path(experience.profile, experience.path)
                path.latency.add(experience.latency_s, experience.predicted_latency_s)
                path.cost.add(experience.cost_usd, experience.predicted_cost_usd)
                path.energy.add(experience.energy_j, experience.predicted_energy_j)
            case Rated():
                path = self._path(experience.profile, experience.path)
                self.ratings += path.score.add(experience.client, experience.score, experience.predicted)

    def _path(self, profile: str, path: str) -> PathPosterior:
        if profile not in self._profiles:
            self._profiles[profile] = {}
            if len(self._profiles) > PROFILES:
                self._profiles.popitem(last=False)
        self._profiles.move_to_end(profile)
        return self._profiles[profile].setdefault(path, PathPosterior())


class FleetMemory:
    """What is known of the servers of one model."""

    def __init__(self, servers: tuple[str, ...]) -> None:
        self.servers = servers
        self._arms = Arms(SERVICES, len(servers))
        self._long_run = LongRun(SERVICES, len(servers))

    def take(self, lesson: Lesson, now: float) -> None:
        """Learn from one outcome; one of a server that is not there is ignored."""
        if 0 <= lesson.server < len(self.servers) and 0 <= lesson.service < SERVICES:
            self._arms.take(lesson, now)
            self._long_run.take(lesson)

    def state(self, now: float) -> FleetState:
        """For the gateways."""
        return FleetState(self.servers, self._long_run.belief(), self._arms.totals(now))

    def moved(self, servers: tuple[str, ...], now: float) -> FleetMemory:
        """The same for other servers: those of a name that was known keep what is known of them."""
        known = self.dump(now)
        return FleetMemory._from(known, servers, 0.0, now)

    def dump(self, now: float) -> dict[str, Any]:
        """Plain values, those of a server together; the inverse of `load`."""
        totals = self._arms.totals(now)
        memories = [getattr(totals, name) for name in _MEMORIES]
        arms = [
            [[memory.weight[:, i].tolist(), memory.sum[:, i].tolist()] for memory in memories] for i in range(len(self.servers))
        ]
        return {
            "servers": list(self.servers),
            "arms": arms,
            "length": [totals.length.weight[:, 0].tolist(), totals.length.sum[:, 0].tolist()],
            "long_run": self._long_run.columns(),
            "lengths": self._long_run.lengths(),
        }

    @classmethod
    def load(cls, known: Mapping[str, Any], age_s: float, now: float) -> FleetMemory:
        """What was dumped `age_s` seconds ago. Raises one of `UNUSABLE` for what is no dump."""
        return cls._from(known, tuple(known["servers"]), age_s, now)

    @classmethod
    def _from(cls, known: Mapping[str, Any], servers: tuple[str, ...], age_s: float, now: float) -> FleetMemory:
        fleet = cls(servers)
        places = {name: i for i, name in enumerate(known["servers"])}
        fade = 0.5 ** min(max(age_s, 0.0) / HALF_LIFE_S, 1000.0)
        columns = [known["arms"][places[name]] if name in places else None for name in servers]
        ratio, square, reward = (_totals([None if c is None else c[m] for c in columns], fade) for m in range(len(_MEMORIES)))
        fleet._arms.restore(ArmTotals(ratio, square, reward, _totals([known["length"]], fade)), now)
        for i, name in enumerate(servers):
            if name in places:
                fleet._long_run.restore(i, known["long_run"][places[name]])
        fleet._long_run.restore_lengths(known["lengths"])
        return fleet


def _totals(columns: Sequence[Sequence[Sequence[float]] | None], fade: float) -> Totals:
    """Of dumped columns, or of nothing. Raises ValueError for numbers that no memory holds."""
    nothing = [[0.0] * SERVICES, [0.0] * SERVICES]
    numbers = np.array([nothing if column is None else column for column in columns], dtype=np.float64).reshape(-1, 2, SERVICES)
    if not np.isfinite(numbers).all() or (numbers < 0).any():
        raise ValueError("weights and sums are finite and at least 0")
    weight, total = fade * numbers[:, 0].T, fade * numbers[:, 1].T
    return Totals(weight, total)
