"""The demand for a server from totals that come and go: replicas', and what the orchestrator says of all gateways."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Mapping

import pytest

from deployments.models import demand as module
from deployments.models.demand import NOTHING, OrchestratorDemand, ReplicaCounts, ServerDemand
from policies.scaling import Demand
from tests.unit.models.fakes import Context


def read(counts: ReplicaCounts, context: Context) -> Demand:
    return counts(context)  # type: ignore[arg-type]


def test_totals_survive_that_replicas_come_and_go() -> None:
    counts = ReplicaCounts()
    read(counts, Context(counts={"a": {"arrived": 10, "served": 8, "service_s": 16.0, "missed": 1}}))
    read(counts, Context(counts={"a": {"arrived": 12, "served": 9}, "b": {"arrived": 3}}))
    assert read(counts, Context(counts={"b": {"arrived": 5, "missed": 2}})) == Demand(17, 3, 9, 16.0)


def test_a_replica_whose_report_was_late_is_not_counted_anew() -> None:
    counts = ReplicaCounts()
    read(counts, Context(counts={"a": {"arrived": 10, "served": 8}}))
    read(counts, Context(counts={"a": {"arrived": 11}}))
    read(counts, Context())
    assert read(counts, Context(counts={"a": {"arrived": 13, "served": 9}})) == Demand(13, 0, 9, 0.0)


def test_of_replicas_that_have_gone_only_so_many_are_remembered() -> None:
    counts = ReplicaCounts()
    for number in range(module.REPLICAS + 5):
        read(counts, Context(counts={str(number): {"arrived": 1}}))
    assert len(counts._seen) == module.REPLICAS
    assert read(counts, Context()).arrived == module.REPLICAS + 5


def test_what_waits_for_a_replica_has_arrived_and_is_not_counted_again_when_it_is_taken() -> None:
    counts = ReplicaCounts()
    assert read(counts, Context(total_queued_requests=4)).arrived == 4
    assert read(counts, Context(total_queued_requests=0)).arrived == 4  # the replica's count is still on its way
    assert read(counts, Context(counts={"a": {"arrived": 4}})).arrived == 4
    assert read(counts, Context(total_queued_requests=1, counts={"a": {"arrived": 6}})).arrived == 7


def test_what_was_given_up_while_it_waited_hides_no_later_arrival() -> None:
    counts = ReplicaCounts()
    read(counts, Context(total_queued_requests=9))
    for _ in range(3):
        assert read(counts, Context()).arrived == 9
    assert read(counts, Context(total_queued_requests=2)).arrived == 11


def test_gateways_count_more_than_replicas_can_and_the_servers_of_a_model_share_it() -> None:
    told = [Demand(100, 10, 50, 80.0), Demand(120, 14, 60, 100.0)]
    total = ServerDemand(lambda application: told.pop(0), servers=2)
    first = total(Context(counts={"a": {"arrived": 3}}))  # type: ignore[arg-type]
    second = total(Context(counts={"a": {"arrived": 5}}))  # type: ignore[arg-type]
    assert (first, second) == (NOTHING, Demand(10, 2, 5, 10.0))


def test_while_nobody_tells_the_replicas_counts_go_on_and_nothing_is_counted_twice() -> None:
    told: list[Demand | None] = [Demand(100, 0, 0, 0), None, None, Demand(190, 0, 0, 0), Demand(191, 0, 0, 0), Demand(2, 0, 0, 0)]
    total = ServerDemand(lambda application: told.pop(0))
    arrived = [total(Context(counts={"a": {"arrived": n}})).arrived for n in (0, 10, 15, 20, 20, 22)]  # type: ignore[arg-type]
    assert arrived == [0, 10, 15, 15, 16, 16], "a total that fell is that of an orchestrator that began anew"


class Orchestrator:
    """Answers in the listener's thread, once for each permission."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = threading.Semaphore(0)
        self.heard = threading.Event()
        self.away = False

    def __call__(self, name: str) -> Mapping[str, Demand]:
        self.answers.acquire()
        self.asked.append(name)
        self.heard.set()
        if self.away:
            raise ValueError("no such actor")
        return {"large": Demand(7, 0, 0, 0)}


def test_the_orchestrator_is_asked_beside_the_controllers_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_S", 0.001)
    orchestrator, now = Orchestrator(), [0.0]
    demand = OrchestratorDemand("abcd", "large", orchestrator, lambda: now[0])
    assert demand("isthmus") is None, "nothing was heard yet, and nothing is waited for"
    orchestrator.answers.release()
    while (heard := demand("isthmus")) is None:
        pass
    assert heard == Demand(7, 0, 0, 0)
    assert orchestrator.asked == ["orchestrator-isthmus-abcd"]
    now[0] += module.STALE_S
    assert demand("isthmus") is None
    orchestrator.away = True
    orchestrator.heard.clear()
    orchestrator.answers.release()
    assert orchestrator.heard.wait(5)
    assert demand("isthmus") is None
    orchestrator.away = False
    orchestrator.answers.release()
    while demand("isthmus") is None:
        pass


def test_the_thread_ends_with_its_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_S", 0.001)
    orchestrator = Orchestrator()
    demand = OrchestratorDemand("abcd", "other", orchestrator)
    demand("isthmus")
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "demand-other")
    gone = weakref.ref(demand)
    del demand
    gc.collect()
    assert gone() is None
    orchestrator.answers.release()
    thread.join(5)
    assert not thread.is_alive()
