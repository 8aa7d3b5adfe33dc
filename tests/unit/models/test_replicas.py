"""What Serve's autoscaler is told: demand from totals that come and go, and a target that is applied and explained."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from cluster.config import EchoModel, LlamaCppModel, Scaling
from cluster.nodes.scaled import SCALED
from deployments.messages import StageReport
from deployments.models.replicas import ReplicaCounts, ReplicaPolicy, replicas_of
from deployments.models.tally import Tally
from policies.errors import ContextTooLong, DeadlineExceeded
from policies.scaling import Demand, ScalingSettings

SETTINGS = ScalingSettings(slots=4, max_replicas=5, startup_s=10.0, interval_s=2.0, service_s=2.0)


@dataclass(frozen=True)
class Point:
    value: float


@dataclass
class Context:
    """What the policy reads of Serve's context."""

    target_num_replicas: int = 0
    total_queued_requests: float = 0.0
    counts: dict[str, dict[str, float]] = field(default_factory=dict)
    deployment_name: str = "large@cloud"

    @property
    def raw_metrics(self) -> dict[str, dict[str, list[Point]]]:
        names = {name for counts in self.counts.values() for name in counts}
        return {name: {r: [Point(0.0), Point(c[name])] for r, c in self.counts.items() if name in c} for name in names}


def read(counts: ReplicaCounts, context: Context) -> Demand:
    return counts(context)  # type: ignore[arg-type]


def test_totals_survive_that_replicas_come_and_go() -> None:
    counts = ReplicaCounts()
    read(counts, Context(counts={"a": {"arrived": 10, "served": 8, "service_s": 16.0, "missed": 1}}))
    read(counts, Context(counts={"a": {"arrived": 12, "served": 9}, "b": {"arrived": 3}}))
    assert read(counts, Context(counts={"b": {"arrived": 5, "missed": 2}})) == Demand(17, 3, 9, 16.0)


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


def policy(read: Any = None, **changes: Any) -> tuple[ReplicaPolicy, list[float]]:
    clock = [0.0]
    return ReplicaPolicy(read, lambda: clock[0], **{**asdict(SETTINGS), **changes}), clock


def test_the_target_follows_the_demand_and_every_change_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ray.serve")
    demand = [0.0]
    scaler, clock = policy(lambda context: Demand(demand[0], 0, 0, 0.0))
    current, course = 0, []
    for tick in range(1200):  # two minutes of Serve's control loop
        clock[0] = 0.1 * tick
        demand[0] += 0.4 * (100 <= tick < 500)  # four arrivals per second for 40 s
        current, state = scaler(Context(current))  # type: ignore[arg-type]
        assert state == {}
        course.append(current)
    assert course[99] == 0
    assert max(course) >= 2
    assert course[-1] == 0
    changes = sum(before != after for before, after in pairwise(course))
    assert len(caplog.messages) == changes
    assert caplog.messages[0].startswith(f"{SCALED} large@cloud up from 0 to ")
    assert "arrivals/s" in caplog.messages[0]


def test_between_two_decisions_nothing_changes_and_nothing_is_read() -> None:
    looks = []
    scaler, clock = policy(lambda context: looks.append(context) or Demand(0, 0, 0, 0.0))
    for tick in range(60):
        clock[0] = 0.1 * tick
        assert scaler(Context(1)) == (1, {})  # type: ignore[arg-type]
    assert len(looks) == 3


def test_the_replica_that_serve_woke_for_a_waiting_request_is_kept() -> None:
    """At zero Serve starts one by itself and asks the policy again when it runs; nothing may have been counted by then."""
    scaler, clock = policy()
    scaler(Context(0))  # type: ignore[arg-type]
    for tick in range(50, 50 + round(10 * SETTINGS.hold_s) - 20):
        clock[0] = 0.1 * tick
        assert scaler(Context(1))[0] == 1  # type: ignore[arg-type]
    clock[0] += SETTINGS.hold_s
    assert scaler(Context(1))[0] == 0  # type: ignore[arg-type]


def test_a_fixed_number_stays_what_it_is() -> None:
    assert replicas_of(EchoModel(engine="echo", replicas=3)) == {"num_replicas": 3}


def test_serve_gets_bounds_and_a_policy_that_it_can_make() -> None:
    scaling = Scaling(max_replicas=4, startup_s=7.0)
    model = LlamaCppModel(engine="llama_cpp", path="a.gguf", contexts=3, max_ongoing=8, scaling=scaling)  # type: ignore[arg-type]
    config = replicas_of(model)["autoscaling_config"]
    assert (config.min_replicas, config.initial_replicas, config.max_replicas) == (0, 0, 4)
    made = config.policy.get_policy()(**config.policy.policy_kwargs)
    assert isinstance(made, ReplicaPolicy)
    assert config.policy.policy_kwargs["slots"] == 3
    assert config.policy.policy_kwargs["startup_s"] == 7.0


def test_a_tally_counts_at_the_door() -> None:
    tally = Tally()
    with tally.visit() as visit:
        visit.served(StageReport("generate", "m", "s", seconds=3.0, wait_s=1.0))
    with pytest.raises(DeadlineExceeded), tally.visit():
        raise DeadlineExceeded(1.0, "generation")
    with pytest.raises(ContextTooLong), tally.visit():
        raise ContextTooLong("m", 9, 9, 9)
    assert tally.totals() == {"arrived": 3, "missed": 1, "served": 1, "service_s": 2.0}
