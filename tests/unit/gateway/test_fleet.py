"""Which of a model's sites a request goes to, and what is learnt of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from ray.exceptions import ActorUnavailableError

from cluster.config import Config, EchoModel, ModelConfig, Power
from deployments.gateway.client import ModelClient
from deployments.gateway.dispatch import Dispatch
from deployments.gateway.fleet import Fleet
from deployments.gateway.placement import Need, Placement
from deployments.gateway.runner import Runner
from deployments.gateway.stages import LightStages
from deployments.messages import StageReport
from policies.errors import EngineUnavailable, InfeasibleSlo, Overloaded
from policies.experience import ANSWER
from policies.schedule.arms import Lesson
from policies.types import Decision, Path, Slo
from tests.unit.gateway.fakes import FakeReplica, client_of, until
from tests.unit.gateway.test_runner import job

SITES = ("hall", "barn", "mill")
MODEL = EchoModel(engine="echo", tokens_per_s=50, max_ongoing=2, max_queued=8, max_tokens=50, power=Power(idle_w=1, peak_w=10))
GONE = ActorUnavailableError("gone", b"x" * 16)


class Village:
    """Three edge sites with one model, and a clock to turn."""

    def __init__(self, replicas: Sequence[FakeReplica] | None = None, model: ModelConfig = MODEL) -> None:
        self.now = 100.0
        self.config = Config.model_validate(
            {"cluster": {"sites": [{"name": site, "tier": "edge"} for site in SITES]}, "models": {"small": model}}
        )
        replicas = replicas or [FakeReplica(site) for site in SITES]
        self.clients = [client_of(replica, "small", site, model=model) for replica, site in zip(replicas, SITES, strict=True)]
        self.lessons: list[Lesson] = []
        self.dispatch = Dispatch(
            self.config, self.clients, tell=lambda model, lesson: self.lessons.append(lesson), clock=lambda: self.now
        )

    @property
    def fleet(self) -> Fleet:
        return self.dispatch.fleets["small"]

    def need(self, limit_s: float = 4.0, limited: bool = True, strict: bool = False) -> Need:
        return Need(ANSWER, 100, 50, self.now + limit_s, limited, strict)

    def place(self, limit_s: float = 4.0, tried: Sequence[ModelClient] = (), **rest: bool) -> Placement:
        placement = self.dispatch.place("small", self.need(limit_s, **rest), tried)
        assert placement is not None
        return placement

    def site(self, limit_s: float = 4.0) -> str:
        placement = self.place(limit_s)
        placement.withdraw()
        return placement.client.server.site

    def answer(self, placement: Placement, seconds: float, joules: float = 5.0, on_the_way_s: float = 0.0) -> None:
        self.now += seconds + on_the_way_s
        report = StageReport("generate", "small", "x", seconds, prompt_tokens=25, completion_tokens=25, energy_j=joules)
        placement.sent()
        placement.started()
        placement.answered(report, on_the_way_s, 8.0 * placement.need.size)

    def serve(self, site: str, seconds: float, joules: float = 5.0, on_the_way_s: float = 0.0) -> None:
        """Have one request answered by `site`, whatever the policy thinks."""
        others = [client for client in self.clients if client.server.site != site]
        self.answer(self.place(tried=others), seconds, joules, on_the_way_s)


def test_the_site_that_was_measured_to_be_slow_is_left_to_requests_with_time() -> None:
    village = Village()
    for _ in range(10):
        village.serve("hall", 3.0)
        village.serve("barn", 0.5)
        village.serve("mill", 0.5)
    assert village.site(limit_s=2.0) in ("barn", "mill")
    for client in village.clients[1:]:
        client.breaker.open("cut off")
    assert village.site(limit_s=20.0) == "hall"


def test_the_site_that_spends_less_is_taken_while_limits_hold() -> None:
    village = Village()
    for _ in range(10):
        village.serve("hall", 0.5, joules=40.0)
        village.serve("barn", 0.5, joules=2.0)
        village.serve("mill", 0.5, joules=40.0)
    assert village.site(limit_s=5.0) == "barn"


def test_a_long_way_counts_against_a_tight_limit() -> None:
    village = Village()
    for _ in range(10):
        village.serve("hall", 0.5, on_the_way_s=1.0)
        village.serve("barn", 0.5, joules=9.0)
        village.serve("mill", 0.5, on_the_way_s=1.0)
    assert village.site(limit_s=1.4) == "barn"
    assert village.dispatch.links["hall"].state.round_trip_s == pytest.approx(1.0, rel=0.1)


def test_without_a_limit_an_idle_site_is_better_than_a_queue() -> None:
    village = Village()
    for _ in range(5):
        for site in SITES:
            village.serve(site, 1.0)
    sites = [village.place(limit_s=120.0, limited=False).client.server.site for _ in range(6)]
    assert sorted(sites) == sorted(2 * SITES)


def test_many_at_once_fill_every_site_to_its_capacity_and_no_further() -> None:
    village = Village()
    placements = [village.place(limit_s=120.0) for _ in range(33)]
    assert village.fleet.board.outstanding.tolist() == [10, 10, 10]
    assert all(placement.ticket is None for placement in placements[30:])
    for placement in placements:
        placement.withdraw()
        placement.withdraw()
    assert village.fleet.board.outstanding.tolist() == [0, 0, 0]
    village.fleet.board.check()


def test_a_site_that_is_down_is_not_chosen_and_one_on_trial_gets_one_request() -> None:
    village = Village()
    village.clients[0].breaker.open("silent")
    assert "hall" not in {village.place().client.server.site for _ in range(4)}
    village.clients[0].breaker.try_out()
    sites = [village.place(limit_s=60.0).client.server.site for _ in range(12)]
    assert sites.count("hall") == 1


def test_when_all_are_down_the_first_says_so_itself() -> None:
    village = Village()
    for client in village.clients:
        client.breaker.open("silent")
    first = village.place()
    assert (first.client, first.ticket) == (village.clients[0], None)
    assert village.place(tried=[village.clients[0]]).client is village.clients[1]
    assert village.dispatch.place("small", village.need(), village.clients) is None


def test_replicas_that_come_are_more_room() -> None:
    village = Village()
    village.clients[1].running = 3
    village.place()
    assert village.fleet.board.capacity.tolist() == [10, 30, 10]


def test_failures_move_requests_away_until_they_are_old() -> None:
    village = Village()
    for _ in range(3):
        for site in SITES:
            village.serve(site, 0.5)
    others = village.clients[1:]
    for _ in range(4):
        village.place(tried=others).failed()
    assert village.site() != "hall"
    assert not village.lessons[-1].answered
    assert village.fleet.place(village.need(), others).ticket.slack < 0
    village.now += 600.0
    assert village.fleet.place(village.need(), others).ticket.slack > 0.5


def test_a_limit_that_nobody_keeps_says_nothing_of_the_server() -> None:
    village = Village()
    placement = village.place(limit_s=0.001)
    assert "late everywhere" in placement.reason
    placement.failed()
    assert village.lessons == []
    assert village.fleet.board.outstanding.sum() == 0


def test_a_strict_request_is_refused_by_measurements_but_not_by_a_guess() -> None:
    village = Village()
    assert village.place(limit_s=0.1, strict=True).ticket is not None
    for site in SITES:
        village.serve(site, 1.0)
    with pytest.raises(InfeasibleSlo, match=r"0\.1 s are left"):
        village.place(limit_s=0.1, strict=True)
    assert village.fleet.board.outstanding.sum() == 1


def test_a_model_with_one_server_is_not_scheduled() -> None:
    config = Config(models={"small": MODEL})
    client = client_of(FakeReplica(), "small")
    placement = Dispatch(config, [client]).place("small", Need(ANSWER, 1, 1, 0.0))
    assert placement is not None
    assert (placement.client, placement.ticket, placement.reason) == (client, None, "")


def test_what_an_answer_taught_is_told() -> None:
    village = Village()
    village.serve("barn", 1.0)
    (lesson,) = village.lessons
    assert (lesson.service, lesson.server, lesson.answered) == (ANSWER, 1, True)
    assert lesson.length == 0.5
    assert lesson.energy is not None


async def test_the_next_site_answers_when_one_fails_and_the_reason_says_both() -> None:
    replicas = [FakeReplica(fault=GONE), FakeReplica(fault=GONE), FakeReplica("from the mill")]
    village = Village(replicas)
    runner = Runner(village.config, village.clients, LightStages(village.config), village.dispatch)
    path = Path("none", "none", "none", "small")
    answer = await runner.complete(job(Decision(path, "named by the caller")))
    assert (answer.text, answer.site) == ("from the mill", "mill")
    assert answer.reason.startswith("named by the caller")
    assert "site mill of 1: " in answer.reason
    assert sum(len(replica.requests) for replica in replicas) <= 3
    assert village.fleet.board.outstanding.sum() == 0


async def test_a_caller_who_leaves_gives_the_place_back() -> None:
    village = Village([FakeReplica(hang=True) for _ in SITES])
    runner = Runner(village.config, village.clients, LightStages(village.config), village.dispatch)
    task = asyncio.create_task(runner.complete(job(Decision(Path("none", "none", "none", "small"), "named by the caller"))))
    await until(village.fleet.board.outstanding.sum)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert village.fleet.board.outstanding.sum() == 0
    assert village.lessons == []


async def test_no_site_is_left() -> None:
    village = Village([FakeReplica(fault=GONE) for _ in SITES])
    runner = Runner(village.config, village.clients, LightStages(village.config), village.dispatch)
    with pytest.raises(EngineUnavailable):
        await runner.complete(job(Decision(Path("none", "none", "none", "small"), "named by the caller")))


@pytest.mark.parametrize("slo", [Slo(), Slo(max_ttft_s=5.0)])
async def test_whichever_way_an_answer_is_read_it_is_accounted_for_once(slo: Slo) -> None:
    village = Village()
    runner = Runner(village.config, village.clients, LightStages(village.config), village.dispatch)
    await runner.complete(job(Decision(Path("none", "none", "none", "small"), "named by the caller"), slo))
    demand = village.fleet.demand
    assert (demand.arrived, demand.served, demand.missed) == (1, 1, 0)
    assert len(village.lessons) == 1


async def test_what_found_no_place_is_demand_that_was_missed() -> None:
    village = Village([FakeReplica(hang=True) for _ in SITES], model=MODEL.model_copy(update={"max_ongoing": 1, "max_queued": 1}))
    runner = Runner(village.config, village.clients, LightStages(village.config), village.dispatch)
    decision = Decision(Path("none", "none", "none", "small"), "named by the caller")
    tasks = [asyncio.create_task(runner.complete(job(decision))) for _ in range(7)]
    await until(lambda: any(task.done() for task in tasks))
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, Overloaded) for result in results) == 1
    assert village.fleet.demand.arrived == 7
    assert village.fleet.demand.missed >= 1
