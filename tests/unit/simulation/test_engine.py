"""The fluid engine against arithmetic by hand."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from simpy import Environment

from cluster.simulation.engine import Engine
from cluster.simulation.job import Job, after
from cluster.simulation.site import SimulatedServer
from tests.unit.schedule.fleet import server

PROFILE = server("e", slots=2, prefill_tokens_per_s=100.0, step_s=0.1, step_per_sequence_s=0.05, idle_w=10, busy_w=50, peak_w=60)


def run(
    jobs: list[tuple[float, float, float]], profile=PROFILE, own_prefill: bool = False
) -> tuple[list[float], Engine, list[Job]]:
    """When each job (arrival, prompt tokens, tokens) was done."""
    env = Environment()
    engine, done, made = Engine(env, profile, own_prefill), [float("nan")] * len(jobs), []
    for i, (at, prompt, tokens) in enumerate(jobs):
        job = Job(prompt, tokens)
        job.done = lambda i=i: done.__setitem__(i, env.now)
        made.append(job)
        after(env, at, lambda job=job: engine.submit(job))
    env.run()
    engine.advance()
    return done, engine, made


def test_one_request_takes_its_prompt_and_its_tokens() -> None:
    (done,), engine, (job,) = run([(0.0, 100.0, 10.0)])
    assert done == pytest.approx(1.0 + 10 * 0.15)
    assert job.energy_j == pytest.approx(55.0 * done)
    assert engine.busy_j == pytest.approx(job.energy_j)


def test_a_second_prompt_pauses_decoding_and_a_third_request_waits_for_a_slot() -> None:
    done, engine, jobs = run([(0.0, 100.0, 10.0), (1.75, 50.0, 10.0), (1.75, 100.0, 1.0)])
    # 5 tokens alone until 1.75, a pause of 0.5, then both at 0.2 s a token: the first has 5 left.
    assert done[0] == pytest.approx(2.25 + 5 * 0.2)
    # The third's prompt follows at once and pauses the second, which has 5 left; both then decode.
    assert done[2] == pytest.approx(3.25 + 1.0 + 0.2)
    assert done[1] == pytest.approx(4.45 + 4 * 0.15)
    assert sum(job.energy_j for job in jobs) == pytest.approx(engine.busy_j)


def test_slots_of_their_own_read_their_prompts_beside_each_other() -> None:
    done, engine, jobs = run([(0.0, 100.0, 10.0), (1.75, 50.0, 10.0), (1.75, 100.0, 1.0)], own_prefill=True)
    # A prompt token takes a fifteenth of a token decoded alone. The first has 5 tokens left at 1.75 and is not held up.
    assert done[0] == pytest.approx(1.75 + 5 * 0.2)
    # The third then reads 100 tokens, 20/3 of decoding; the second has read 10/3 and decoded 5/3 of its 10 by 2.75.
    assert done[2] == pytest.approx(2.75 + (20 / 3 + 1) * 0.2)
    assert done[1] == pytest.approx(2.75 + (20 / 3 + 1) * 0.2 + (25 / 3 - 23 / 3) * 0.15)
    assert sum(job.energy_j for job in jobs) == pytest.approx(engine.busy_j)


def test_the_first_token_comes_when_the_prompt_is_read() -> None:
    env = Environment()
    engine, job, started = Engine(env, PROFILE, own_prefill=True), Job(100.0, 10.0), []
    job.started = lambda: started.append(env.now)
    engine.submit(job)
    env.run()
    assert started == [pytest.approx(1.0)]
    assert env.now == pytest.approx(1.0 + 10 * 0.15)


def test_a_client_that_leaves_frees_its_slot() -> None:
    env = Environment()
    profile = server("e", slots=1, prefill_tokens_per_s=100.0, step_s=0.1, step_per_sequence_s=0.0)
    engine, first, second = Engine(env, profile), Job(0.0, 100.0), Job(0.0, 10.0)
    ends: list[float] = []
    second.done = lambda: ends.append(env.now)
    engine.submit(first)
    engine.submit(second)
    after(env, 1.0, lambda: engine.cancel(first))
    env.run()
    assert ends == [pytest.approx(2.0)]
    assert engine.size == 0


def test_slower_from_now_on() -> None:
    env = Environment()
    engine, job, ends = (
        Engine(env, server("e", step_s=0.1, step_per_sequence_s=0.0, prefill_tokens_per_s=100.0)),
        Job(0.0, 20.0),
        [],
    )
    job.done = lambda: ends.append(env.now)
    engine.submit(job)
    after(env, 1.0, lambda: engine.slow_down(3.0))
    env.run()
    assert ends == [pytest.approx(1.0 + 10 * 0.3)]


def test_a_replica_that_is_started_at_a_slow_site_is_slow() -> None:
    env = Environment()
    profile = server("e", slots=1, step_s=0.1, step_per_sequence_s=0.0, prefill_tokens_per_s=100.0)
    site, jobs, ends = SimulatedServer(env, profile, None, 0.0, startup_s=1.0), [Job(0.0, 10.0) for _ in range(2)], []
    site.slow_down(3.0)
    site.scale(2, lambda: None)
    env.run()
    for job in jobs:
        job.done = lambda: ends.append(env.now)
        assert site.accept(job)
    env.run()
    assert ends == [pytest.approx(1.0 + 3.0)] * 2


@example(
    [(5.0, 25.0, 4.0), (5.0, 25.0, 3.7914679922926844), (5.0, 25.0, 3.7914679922926844), (0.39979170654790736, 54.0, 12.5)], False
)
@given(st.lists(st.tuples(st.floats(0, 5), st.floats(1, 200), st.floats(1, 40)), min_size=1, max_size=12), st.booleans())
def test_what_is_foreseen_after_the_last_arrival_comes_true_and_energy_is_conserved(
    jobs: list[tuple[float, float, float]], own_prefill: bool
) -> None:
    env = Environment()
    engine, made, ends = Engine(env, PROFILE, own_prefill), [], {}
    for at, prompt, tokens in sorted(jobs):
        job = Job(prompt, tokens)
        job.done = lambda job=job: ends.__setitem__(job.order, env.now)
        made.append(job)
        after(env, at, lambda job=job: engine.submit(job))
    env.run(until=5.5)
    foreseen = engine.foresee()
    left = set(foreseen)
    env.run()
    engine.advance()
    assert {order: ends[order] for order in left} == pytest.approx(foreseen)
    assert sum(job.energy_j for job in made) == pytest.approx(engine.busy_j)
    assert engine.size == engine.in_slots == 0
