"""Adaptive paths in the gateway: one answer, whichever part gives it, and an account of all that ran."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from cluster.snapshot import PREFERENCE, Snapshot
from deployments.gateway.chooser import Choice
from deployments.gateway.job import Answer, Job
from deployments.gateway.runner import Runner
from deployments.gateway.stages import LightStages
from deployments.gateway.stepwise import Stepwise
from deployments.gateway.trial import Opened
from deployments.messages import Sampling
from policies.adaptive import Adaptive
from policies.errors import InfeasibleSlo, UnknownModel
from policies.gate import Gate
from policies.select import Selector
from policies.signals import SIGNALS, Signals
from policies.steps import Spent, Step, Steps
from policies.types import Decision, Path, Privacy, Slo
from tests.unit.gateway.fakes import REPORT, FakeReplica, client_of
from tests.unit.gateway.town import CONFIG, HUGE, LARGE, SMALL, SNAPSHOT, Town, limits, said

BOTH = replace(SMALL, then=LARGE)
NONE = np.zeros(len(SIGNALS))


@dataclass
class FakeChooser:
    """Decides as it was told to, and remembers what it was shown."""

    goes_on: bool
    asked: list[tuple[Signals, Spent]] = field(default_factory=list)

    def step(self, choice: Choice, shown: Signals, spent: Spent, elapsed_s: float) -> Step:
        self.asked.append((shown, spent))
        return Step(self.goes_on, "because it was told so")


@dataclass
class World:
    """The two models of an adaptive path, and the runner of both."""

    small: FakeReplica
    large: FakeReplica
    chooser: FakeChooser

    @property
    def stepwise(self) -> Stepwise:
        clients = [client_of(self.small, "small"), client_of(self.large, "large", "cloud", "cloud")]
        return Stepwise(Runner(CONFIG, clients, LightStages(CONFIG)), self.chooser)  # type: ignore[arg-type]


def world(goes_on: bool, small: FakeReplica | None = None, large: FakeReplica | None = None) -> World:
    return World(small or FakeReplica("from home"), large or FakeReplica("from the cloud"), FakeChooser(goes_on))


def job(limit_s: float = 30.0, slo: Slo | None = None) -> Job:
    decision = Decision(BOTH, "best")
    deadline = limits(slo or Slo(), limit_s)
    return Job("d1", decision, slo or Slo(), deadline, Sampling(0), said("lamp 1"), choice=Choice(decision))


async def test_the_first_answer_stands() -> None:
    here = world(goes_on=False)
    answer = await here.stepwise.complete(job())
    assert (answer.text, answer.path, answer.site) == ("from home", SMALL, "home")
    assert answer.reason == "best; because it was told so"
    assert len(answer.reports) == 1
    assert here.chooser.asked[0][0] == Signals(mean_logprob=-0.1, least_logprob=-0.5, tokens=2)
    assert here.large.requests == []
    assert here.small.requests[0].logprobs


async def test_the_second_answer_counts_and_both_are_paid() -> None:
    here = world(goes_on=True)
    answer = await here.stepwise.complete(job())
    assert (answer.text, answer.path, answer.site) == ("from the cloud", BOTH, "cloud")
    assert (answer.cost_usd, answer.energy_j) == (2 * REPORT.cost_usd, 2 * REPORT.energy_j)
    assert here.chooser.asked[0][1] == Spent(REPORT.cost_usd, REPORT.energy_j)
    assert not here.large.requests[0].logprobs


@pytest.mark.parametrize("large", [FakeReplica(fault=ZeroDivisionError("mistake")), FakeReplica(hang=True)])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_second_part_that_fails_or_is_late_leaves_the_first_answer(large: FakeReplica, stream: bool) -> None:
    here, this = world(goes_on=True, large=large), job(0.5)
    answer = await (here.stepwise.open(this) if stream else here.stepwise.complete(this))
    assert isinstance(answer, Answer)
    assert (answer.text, answer.path) == ("from home", SMALL)
    assert "so the first answer stands" in answer.reason
    assert answer.latency_s >= (0.4 if large.hang else 0.0)  # the time that was waited in vain is part of it


async def test_a_stream_begins_with_the_answer_that_counts() -> None:
    stays = await world(goes_on=False).stepwise.open(job())
    assert isinstance(stays, Answer)
    here = world(goes_on=True)
    opened = await here.stepwise.open(job())
    assert isinstance(opened, Opened)
    assert (opened.path, opened.site) == (BOTH, "cloud")
    deltas = [delta async for delta in opened.deltas()]
    answer = Runner(CONFIG, [], LightStages(CONFIG)).close(opened, deltas[-1])
    assert (answer.text, answer.path, len(answer.reports)) == ("from the cloud", BOTH, 2)


async def test_without_the_first_model_the_second_answers_at_once() -> None:
    here = world(goes_on=False, small=FakeReplica(fault=ZeroDivisionError("mistake")))
    answer = await here.stepwise.complete(job())
    assert (answer.text, answer.path) == ("from the cloud", LARGE)
    assert here.chooser.asked == []


async def test_a_failure_after_the_first_word_is_told_and_nothing_is_repeated() -> None:
    here = world(goes_on=True, large=FakeReplica("from the cloud", ZeroDivisionError("mistake"), fault_at=1))
    opened = await here.stepwise.open(job())
    assert isinstance(opened, Opened)
    with pytest.raises(Exception, match="mistake"):
        [delta async for delta in opened.deltas()]
    assert len(here.small.requests) == 1


def learnt(slope: float) -> Snapshot:
    """The town's snapshot with an adaptive path, whose gate expects that much less of going on the surer the first part is."""
    slopes = np.zeros(len(SIGNALS))
    slopes[SIGNALS.index("least_logprob")] = -slope
    steps = Steps([Adaptive(0, 1, Gate(np.zeros((3, len(SIGNALS))), NONE + 1, slopes, np.linspace(-0.4, 0.4, 9)))], PREFERENCE)
    paths, on_edge = (*SNAPSHOT.paths, BOTH), np.append(SNAPSHOT.on_edge, False)
    calls = np.hstack([SNAPSHOT.calls, (SNAPSHOT.calls[:, 0] + SNAPSHOT.calls[:, 1])[:, None]])
    places = {path: place for place, path in enumerate(paths)}
    selector = Selector(paths, on_edge)
    return replace(SNAPSHOT, paths=paths, places=places, on_edge=on_edge, calls=calls, selector=selector, steps=steps)


async def chosen(town: Town, model: str, question: str = "tax 3", slo: Slo | None = None) -> Choice:
    return await town.chooser.choose(model, slo or Slo(), said(question), limits(slo or Slo()))


async def test_an_adaptive_path_is_known_by_its_name_once_it_was_learnt() -> None:
    town = Town()
    with pytest.raises(UnknownModel):
        await chosen(town, BOTH.name)
    town.chooser.snapshot = learnt(0.5)
    assert BOTH.name in town.chooser._catalogue.names
    choice = await chosen(town, BOTH.name)
    assert (choice.decision.path, choice.decision.reason) == (BOTH, "named by the caller")
    assert choice.decision.predicted is not None
    assert choice.decision.predicted.latency_s > 0.1
    with pytest.raises(InfeasibleSlo):
        await chosen(town, BOTH.name, slo=Slo(privacy=Privacy.EDGE))
    assert Path.parse(BOTH.name) == BOTH


@pytest.mark.parametrize(("probability", "goes_on"), [(0.99, False), (0.01, True)])
async def test_the_gate_hears_what_the_first_part_showed(probability: float, goes_on: bool) -> None:
    town = Town()
    town.chooser.snapshot = learnt(20.0)
    choice = await chosen(town, BOTH.name)
    step = town.chooser.step(choice, Signals(least_logprob=float(np.log(probability))), Spent(), 0.2)
    assert step.goes_on is goes_on
    town.clients["large"].lost("its link is cut")
    away = town.chooser.step(choice, Signals(least_logprob=float(np.log(probability))), Spent(), 0.2)
    assert not away.goes_on
    assert "its link is cut" in away.why


async def test_a_dialogue_stays_on_the_whole_of_its_adaptive_path() -> None:
    town = Town()
    town.chooser.snapshot = learnt(0.5)
    choice = await chosen(town, "auto")
    adaptive = replace(choice, decision=choice.decision._replace(path=BOTH))
    town.chooser.answered(adaptive, "yes", SMALL)
    following = await town.chooser.choose("auto", Slo(), said("tax 3", "yes", "tax 4"), limits(Slo()))
    assert following.decision.path == BOTH
    assert following.decision.reason.startswith("the dialogue stays")


async def test_fallbacks_are_asked_for_what_they_answer_first() -> None:
    town = Town()
    town.chooser.snapshot = learnt(0.5)
    choice = await chosen(town, "auto")
    assert all(path.then is None for path in choice.decision.fallbacks)
    assert asyncio.get_running_loop() is not None
    assert HUGE in (choice.decision.path, *choice.decision.fallbacks)
