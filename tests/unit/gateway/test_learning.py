"""A gateway and an orchestrator, without Ray between them: nothing waits, nothing counts twice, nothing is lost by a kill."""

from __future__ import annotations

import asyncio
from pathlib import Path as FilePath

import pytest

from cluster.log import Answered
from cluster.orchestrator.actor import Orchestrator, Reply
from cluster.orchestrator.handle import Exchange
from deployments.gateway.dispatch import Dispatch
from deployments.gateway.experiences import Experiences
from deployments.gateway.job import Answer, Job
from deployments.gateway.keys import Keys
from deployments.gateway.learning import Learning
from deployments.messages import Sampling, StageReport
from policies.experience import Batch
from policies.types import Slo
from tests.unit.gateway.test_fleet import SITES, Village
from tests.unit.gateway.town import LARGE, SNAPSHOT, Town, limits, said


class Ray:
    """Stands between gateways and an orchestrator that can be killed at any moment and comes back from what it wrote."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._orchestrator: Orchestrator | None = None
        self.forget_replies = False

    def connect(self) -> Exchange:
        async def exchange(batch: Batch, save: bool) -> Reply:
            reply = await (await self.orchestrator()).exchange(batch, save)
            if self.forget_replies:
                raise ConnectionError("the orchestrator died before it could answer")
            return reply

        return exchange

    async def orchestrator(self) -> Orchestrator:
        if self._orchestrator is None:
            self._orchestrator = Orchestrator(self._url)
            await self._orchestrator.start()
        return self._orchestrator

    def kill(self) -> None:
        """It writes nothing any more."""
        if self._orchestrator is not None and self._orchestrator._task is not None:
            self._orchestrator._task.cancel()
        self._orchestrator = None


@pytest.fixture
async def ray(tmp_path: FilePath):
    ray = Ray(f"sqlite:///{tmp_path}/learned.db")
    yield ray
    await (await ray.orchestrator()).stop()


def village(ray: Ray, capacity: int = 1000) -> tuple[Village, Learning]:
    town, learning = Village(), Learning(ray.connect, capacity)
    town.dispatch = Dispatch(town.config, town.clients, None, learning.served, lambda: town.now)
    learning.serve(town.dispatch, Town().chooser)
    return town, learning


async def test_one_gateway_learns_from_the_other(ray: Ray) -> None:
    (one, telling), (two, listening) = village(ray), village(ray)
    for _ in range(10):
        one.serve("hall", 3.0)
        one.serve("barn", 0.5)
        one.serve("mill", 3.0)
    assert two.site(limit_s=2.0) == SITES[0]
    await telling.once()
    await listening.once()
    assert two.site(limit_s=2.0) == "barn"
    assert listening.status()["outcomes"] == 30


async def test_what_it_has_learnt_since_the_last_exchange_is_not_forgotten(ray: Ray) -> None:
    town, learning = village(ray)
    town.serve("hall", 1.0)
    await learning.once()
    before = town.fleet.scheduler.forecast.arms.ratio.count(slice(0, 1), town.now)[0, 0]
    town.serve("hall", 1.0)
    count = town.fleet.scheduler.forecast.arms.ratio.count(slice(0, 1), town.now)[0, 0]
    await learning.once()
    assert town.fleet.scheduler.forecast.arms.ratio.count(slice(0, 1), town.now)[0, 0] == pytest.approx(count, rel=0.1)
    assert count > before


@pytest.mark.parametrize("forgetful", [False, True])
async def test_a_killed_orchestrator_loses_nothing_that_it_was_told(ray: Ray, forgetful: bool) -> None:
    town, learning = village(ray)
    for round_ in range(6):
        for site in SITES:
            town.serve(site, 0.5 + round_ / 10)
        ray.forget_replies = forgetful and round_ % 2 == 0
        await learning.once()
        if round_ in (1, 4):
            ray.kill()
    ray.forget_replies = False
    for _ in range(2):
        await learning.once(save=True)
    status = (await ray.orchestrator()).status()
    assert (status.outcomes, status.saved_version) == (18, 18)
    assert learning.status()["waiting"] == 0


async def test_an_orchestrator_that_is_away_costs_no_request_and_at_last_the_oldest_experiences(ray: Ray) -> None:
    town, learning = village(ray, capacity=5)

    def refuse() -> Exchange:
        raise ConnectionError("no cluster")

    learning._connect = refuse
    for _ in range(8):
        town.serve("hall", 0.5)
        await learning.once()
    assert learning.status() | {"state": "away", "waiting": 5, "lost": 3} == learning.status()
    learning._connect = ray.connect
    await learning.once()
    assert learning.status()["outcomes"] == 5
    assert learning.status()["state"] == "there"


async def test_what_was_told_is_not_lost_though_it_is_not_kept_yet(ray: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    town, learning = village(ray, capacity=5)
    orchestrator = await ray.orchestrator()

    async def fail() -> None:
        """The database is away."""

    monkeypatch.setattr(orchestrator, "_save", fail)
    for _ in range(8):
        town.serve("hall", 0.5)
        await learning.once()
    assert (learning.status()["outcomes"], learning.status()["waiting"], learning.lost) == (8, 5, 0)


async def test_it_exchanges_by_itself_and_tells_the_rest_when_it_stops(ray: Ray) -> None:
    town, learning = village(ray)
    learning.start()
    town.serve("hall", 0.5)
    await asyncio.sleep(0)
    town.serve("barn", 0.5)
    await learning.stop()
    status = (await ray.orchestrator()).status()
    assert (status.outcomes, status.saved_version) == (2, 2)


async def test_others_requests_make_a_server_busy(ray: Ray) -> None:
    (one, telling), (two, listening) = village(ray), village(ray)
    alone = two.place(limit_s=60.0)
    alone.withdraw()
    placed = [one.place(limit_s=60.0) for _ in range(12)]
    await telling.once()
    await listening.once()
    assert two.fleet.board.elsewhere.sum() == len(placed)
    crowded = two.place(limit_s=60.0)
    assert alone.ticket is not None
    assert crowded.ticket is not None
    assert crowded.ticket.forecast_s > alone.ticket.forecast_s


async def decided(town: Town) -> Job:
    deadline = limits(Slo())
    choice = await town.chooser.choose("auto", Slo(), said("tax 1"), deadline)
    return Job("d", choice.decision, Slo(), deadline, Sampling(0), said("tax 1"), choice=choice)


def answer(job: Job, seconds: float, tries: int = 1) -> Answer:
    report = StageReport("generate", "large", "cloud", seconds, wait_s=0.5, energy_j=30.0)
    return Answer("text", "stop", job.decision.path, "cloud", "", (report,), (), None, seconds, None, tries)


async def corrected(ray: Ray, town: Town, learning: Learning) -> None:
    learning.serve(Dispatch(Village().config, Village().clients), town.chooser)
    await learning.once()


async def test_what_a_path_takes_corrects_what_is_expected_of_it(ray: Ray) -> None:
    town, learning = Town(), Learning(ray.connect)
    experiences = Experiences(town.chooser, Keys(()), learning.note)
    job = await decided(town)
    expected = job.decision.predicted
    assert expected is not None
    for _ in range(100):
        experiences.answered(job, answer(job, 3 * expected.latency_s + 0.5))
        experiences.answered(job, answer(job, 100.0, tries=2))  # the time of another server is in it
    await corrected(ray, town, learning)
    later = await decided(town)
    place = SNAPSHOT.places[job.decision.path]
    alone = SNAPSHOT.forecast("tax 1", later.choice.case.vector).of(place, job.decision.path)  # type: ignore[union-attr]
    now = later.choice.case.predicted(job.decision.path)  # type: ignore[union-attr]
    assert now is not None
    assert now.latency_s / alone.latency_s == pytest.approx(2.67, abs=0.2)
    # What is learnt next is measured against the profile, not against what was learnt before.
    undone = later.choice.case.by_profile(job.decision.path, now)  # type: ignore[union-attr]
    assert undone.latency_s == pytest.approx(alone.latency_s, rel=1e-3)
    assert undone.accuracy == pytest.approx(alone.accuracy, abs=1e-3)


async def test_bad_feedback_of_many_moves_auto_away_from_a_path_and_one_client_cannot(ray: Ray) -> None:
    town, learning = Town(), Learning(ray.connect)
    first = (await decided(town)).decision
    for clients in (1, 60):
        for number in range(60):
            key = f"key-{number % clients}"
            experiences = Experiences(town.chooser, Keys((key,)), learning.note)
            about = Answered(first.path.name, first.predicted.accuracy)  # type: ignore[union-attr]
            experiences.rated(about, f"Bearer {key}".encode(), 0.0)
        await corrected(ray, town, learning)
        shift = town.chooser.shift(first.path)
        assert shift < 0
        assert (shift >= -0.2) == (clients == 1)
    assert (await decided(town)).decision.path != first.path


async def test_feedback_on_what_was_not_predicted_teaches_nothing(ray: Ray) -> None:
    town, learning = Town(), Learning(ray.connect)
    experiences = Experiences(town.chooser, Keys(()), learning.note)
    experiences.rated(Answered(LARGE.name, None), None, 0.0)
    experiences.rated(Answered("none/bm25@5/none/large", 0.5), None, 0.0)
    assert learning.status()["waiting"] == 0


def test_keys_tell_clients_apart_and_an_open_door_does_not() -> None:
    keys, door = Keys(("a", "b")), Keys(())
    assert keys.client(b"Bearer a") == keys.client(b"bearer  a")
    assert keys.client(b"Bearer a") != keys.client(b"Bearer b")
    assert door.client(b"Bearer a") == door.client(None)
