"""What Serve's autoscaler is told: a target that follows the demand and is explained."""

from __future__ import annotations

import logging
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import pytest

from cluster.config import Config
from cluster.nodes.scaled import SCALED
from deployments.messages import StageReport
from deployments.models.replicas import ReplicaPolicy, replicas_of
from deployments.models.tally import Tally
from policies.errors import ContextTooLong, DeadlineExceeded
from policies.scaling import Demand, ScalingSettings
from tests.unit.models.fakes import Context

SETTINGS = ScalingSettings(slots=4, max_replicas=5, startup_s=10.0, interval_s=2.0, service_s=2.0)


def policy(read: Any = None, **changes: Any) -> tuple[ReplicaPolicy, list[float]]:
    clock = [0.0]
    return ReplicaPolicy("large", read=read, clock=lambda: clock[0], **{**asdict(SETTINGS), **changes}), clock


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


def test_the_replica_that_serve_woke_for_a_waiting_request_is_kept_and_explained(caplog: pytest.LogCaptureFixture) -> None:
    """At zero Serve starts one by itself and asks the policy again when it runs; nothing may have been counted by then."""
    caplog.set_level(logging.INFO, logger="ray.serve")
    scaler, clock = policy()
    scaler(Context(0))  # type: ignore[arg-type]
    for tick in range(50, 50 + round(10 * SETTINGS.hold_s) - 20):
        clock[0] = 0.1 * tick
        assert scaler(Context(1))[0] == 1  # type: ignore[arg-type]
    clock[0] += SETTINGS.hold_s
    assert scaler(Context(1))[0] == 0  # type: ignore[arg-type]
    woken, ended = caplog.messages
    assert woken == f"{SCALED} large@cloud up from 0 to 1: requests waited and no replica ran"
    assert ended.startswith(f"{SCALED} large@cloud down from 1 to 0: ")


def config(**model: Any) -> Config:
    sites = [{"name": "home", "tier": "edge"}, {"name": "lab", "tier": "edge"}]
    return Config.model_validate({"cluster": {"sites": sites}, "models": {"a": model}, "learning": {"url": "sqlite:///l.db"}})


def test_a_fixed_number_stays_what_it_is() -> None:
    assert replicas_of(config(engine="echo", replicas=3), "a") == {"num_replicas": 3}


def test_serve_gets_bounds_and_a_policy_that_it_can_make() -> None:
    scaling = {"max_replicas": 4, "startup_s": 7.0}
    given = config(engine="llama_cpp", path="a.gguf", contexts=3, max_ongoing=8, scaling=scaling)
    made = replicas_of(given, "a")["autoscaling_config"]
    assert (made.min_replicas, made.initial_replicas, made.max_replicas) == (0, 0, 4)
    known = made.policy.policy_kwargs
    assert isinstance(made.policy.get_policy()(**known), ReplicaPolicy)
    assert (known["model"], known["servers"], known["slots"], known["startup_s"]) == ("a", 2, 3, 7.0)
    assert "l.db" not in str(known)


def test_a_tally_counts_at_the_door() -> None:
    tally = Tally()
    with tally.visit() as visit:
        visit.served(StageReport("generate", "m", "s", seconds=3.0, wait_s=1.0))
    with pytest.raises(DeadlineExceeded), tally.visit():
        raise DeadlineExceeded(1.0, "generation")
    with pytest.raises(ContextTooLong), tally.visit():
        raise ContextTooLong("m", 9, 9, 9)
    assert tally.totals() == {"arrived": 3, "missed": 1, "served": 1, "service_s": 2.0}
