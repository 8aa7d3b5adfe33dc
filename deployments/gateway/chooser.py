"""Chooses the path of a request: the one it names, or for `auto` the best by the snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cluster.config import Config
from cluster.config.names import AUTO
from cluster.snapshot import Snapshot
from deployments.gateway.case import Case
from deployments.gateway.catalogue import Catalogue
from deployments.gateway.client import ModelClient
from deployments.gateway.deadline import Deadline
from deployments.gateway.dialogues import Dialogues, Thread, asked
from deployments.gateway.situation import Situation
from deployments.gateway.stages import LightStages
from deployments.prompts import Message
from policies.corrections import Corrections
from policies.errors import DeadlineExceeded, InfeasibleSlo
from policies.posterior import Correction
from policies.signals import Signals
from policies.space import option
from policies.steps import Spent, Step
from policies.types import Decision, OnInfeasible, Path, Privacy, Slo


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision, and what it rested on if it was made by a snapshot."""

    decision: Decision
    case: Case | None = None
    thread: Thread | None = None

    def candidates(self) -> list[dict[str, Any]]:
        """Every path that was weighed, and what came of it; none where nothing was."""
        return self.case.candidates(self.decision.path, tuple(self.decision.fallbacks)) if self.case else []


class Chooser:
    """Decides in this process. A new `snapshot` counts for the requests that come after it."""

    def __init__(
        self, config: Config, catalogue: Catalogue, stages: LightStages, clients: Mapping[str, Sequence[ModelClient]]
    ) -> None:
        """`clients` are each model's servers, in the order in which they are asked."""
        self._config = config
        self._default, self._last = config.default, config.fallback  # the configuration makes all paths to tell them
        self._catalogue = catalogue
        self._stages = stages
        self._clients = clients
        self._dialogues = Dialogues()
        self._snapshot: Snapshot | None = None
        self._known: Mapping[str, Mapping[str, Correction]] = {}
        self._corrections: Corrections | None = None
        self.without = "the configuration names no profile" if config.profile is None else "the profile is being read"
        """Why there is no snapshot."""

    @property
    def snapshot(self) -> Snapshot | None:
        """What is decided by; None while there is no profile."""
        return self._snapshot

    @snapshot.setter
    def snapshot(self, snapshot: Snapshot | None) -> None:
        self._snapshot = snapshot
        self._catalogue.learnt(snapshot.paths if snapshot else ())
        self.learnt(self._known)

    def learnt(self, corrections: Mapping[str, Mapping[str, Correction]]) -> None:
        """Outcomes have said so much about the paths of each profile; those of another one than the snapshot's wait for it."""
        self._known = corrections
        known = corrections.get(self._snapshot.fingerprint) if self._snapshot else None
        self._corrections = Corrections.of(self._snapshot.fixed, known) if self._snapshot and known else None

    def shift(self, path: Path) -> float:
        """What feedback adds to the accuracy that the profile predicts for `path`."""
        place = self._snapshot.places.get(path) if self._snapshot and path.then is None else None
        return float(self._corrections.accuracy[place]) if self._corrections and place is not None else 0.0

    async def choose(self, model: str, slo: Slo, messages: tuple[Message, ...], deadline: Deadline) -> Choice:
        """The path for a dialogue. Raises UnknownModel, InfeasibleSlo and DeadlineExceeded."""
        pinned = None if model == AUTO else self._catalogue.decide(model, slo)
        if pinned is not None and pinned.path.then is None:
            return Choice(pinned)
        why_not = self._why_default(messages)
        snapshot = self._snapshot
        if snapshot is None or why_not is not None:
            decision = self._catalogue.decide(AUTO, slo) if pinned is None else pinned._replace(path=pinned.path.first)
            return Choice(decision._replace(reason=f"{decision.reason}; {why_not}"))
        # The question alone: so the profile's queries were embedded, and retrieval needs the same vector. What came before
        # it speaks through the path that the dialogue is on.
        question = asked(messages)
        try:
            async with asyncio.timeout_at(deadline.at):
                vector = await (await self._stages.get()).embed_one(question)
        except TimeoutError:
            raise DeadlineExceeded(deadline.limit_s, "the choice of a path") from None
        elapsed_s = asyncio.get_running_loop().time() - deadline.arrived_at
        case = Case(snapshot, question, vector, slo, Situation.of(self._clients, elapsed_s), self._corrections)
        if pinned is not None:
            return Choice(pinned._replace(predicted=case.predicted(pinned.path)), case)
        if case.situation.starting_s:
            self._wake(case)
        thread = Thread(messages)
        return Choice(self.decide(case, thread), case, thread)

    def decide(self, case: Case, thread: Thread) -> Decision:
        """The path for a question of the dialogue `thread`. Raises InfeasibleSlo when its limits want that."""
        forecast = case.forecast()
        decision = case.decide(forecast)
        stay = self._dialogues.path_of(thread)
        if stay is not None and case.keeps(stay, decision):
            decision = _instead(decision, stay, "the dialogue stays on its path, which keeps the limits")
        elif stay is not None and stay != decision.path:
            decision = decision._replace(reason=f"{decision.reason}; the dialogue had to leave {stay.name}")
        elif not forecast.familiar:
            default = self._default
            safe = case.keeps(default, decision)
            reason = (
                "unlike every profiled query, so the default path" if safe else f"{decision.reason}; unlike every profiled query"
            )
            decision = _instead(decision, default if safe else decision.path, reason)
        return decision._replace(fallbacks=self._fallbacks(case, decision), predicted=case.predicted(decision.path, forecast))

    def answered(self, choice: Choice, text: str, path: Path) -> None:
        """The dialogue goes on from an answer by `path`; one whose adaptive path has answered stays on all of it."""
        if choice.thread is not None:
            decided = choice.decision.path
            self._dialogues.keep(choice.thread, text, decided if path == decided.first else path)

    def step(self, choice: Choice, shown: Signals, spent: Spent, elapsed_s: float) -> Step:
        """Whether the adaptive path of `choice` goes on, now that `elapsed_s` have passed since the request arrived."""
        if choice.case is None:
            return Step(False, "the first answer stands: nothing was learnt to go on by")
        case = replace(choice.case, situation=Situation.of(self._clients, elapsed_s))
        return case.step(choice.decision.path, shown, spent)

    def _wake(self, case: Case) -> None:
        """Start the sleeping models of the path that would be best if none slept, for the questions that come later."""
        awake = replace(case, situation=case.situation.awake())
        try:
            path = awake.decide(awake.forecast()).path
        except InfeasibleSlo:
            return
        for name in self._config.models_of(path):
            for client in self._clients[name]:
                client.wake()

    def _why_default(self, messages: Sequence[Message]) -> str | None:
        if self.snapshot is None:
            return self.without
        return None if messages[-1]["role"] == "user" else "the last message is no question"

    def _fallbacks(self, case: Case, decision: Decision) -> tuple[Path, ...]:
        """Each with another model than those before, whose server may be what failed; at last the edge alone."""
        others: dict[str, Path] = {}
        for path in (path.first for path in decision.fallbacks):
            if option(path.generate) != option(decision.path.generate):
                others.setdefault(option(path.generate), path)
        known = (decision.path, *others.values())
        last = self._last
        if last is None or any(path.generate == last.generate and self._config.stays_on_edge(path) for path in known):
            return known[1:]
        strict = case.slo.on_infeasible is OnInfeasible.REJECT and not case.keeps(last, decision)
        private = case.slo.privacy is Privacy.EDGE and not self._config.stays_on_edge(last)
        return known[1:] if strict or private else (*known[1:], last)


def _instead(decision: Decision, path: Path, reason: str) -> Decision:
    """`path` instead of the decided one, which becomes the first to fall back on."""
    others = tuple(other for other in (decision.path, *decision.fallbacks) if other != path)
    return decision._replace(path=path, reason=reason, fallbacks=others)
