"""The calibrated replay is arithmetic that can be done by hand; the runs that it replays are real ones."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.split_replay import (
    Channel,
    Event,
    Pass,
    Question,
    Side,
    Step,
    Stream,
    Times,
    Trace,
    Upload,
    as_measured,
    equal_layers,
    mean,
    nbytes,
    replay,
)
from benchmarks.split_runs import Bench, Given, Way
from deployments.models.split.codec import Wire
from deployments.models.split.frames import OVERHEAD
from deployments.models.split.partition import Partition
from policies.split.mode import Kind, Mode
from tests.unit.split.checkpoints import END, LAYERS, VOCABULARY, WIDTH
from tests.unit.split.town import checkpoint, exits

SLOW = Channel(rtt_s=0.1, mbps=8e-3)  # a byte takes a millisecond
EVERY_TOKEN = Mode(Kind.COLLABORATIVE, 1.0)


def edge(seconds: float, layers: int = 3) -> Pass:
    return Pass(Side.EDGE, layers, 1, seconds)


def cloud(seconds: float, layers: int = 7) -> Pass:
    return Pass(Side.CLOUD, layers, 1, seconds)


@pytest.mark.parametrize(
    ("trace", "total"),
    [
        ((edge(1), edge(2)), 3),
        ((edge(1), Upload(5000), edge(2)), 3),  # still on its way, and nobody waits
        ((edge(1), Question(200, (cloud(0.5),), 30)), 1 + 0.2 + 0.1 + 0.5 + 0.03),
        ((Upload(1000), edge(1), Question(200, (), 0)), 1 + 0.2 + 0.1),  # beside the computing
        ((Upload(1500), edge(1), Question(200, (), 0)), 1.5 + 0.2 + 0.1),  # the question waits for the upload
        ((Upload(1000), Upload(1000), Question(0, (), 0), Question(100, (), 0)), 2 + 0.1 + 0.1 + 0.1),
        ((Stream(50, (Step(cloud(1), 10), Step(cloud(1), 10))),), 0.05 + 0.05 + 2 + 0.01 + 0.05),
        ((Stream(50, (Step(cloud(1), 3000), Step(cloud(1), 3000))),), 0.05 + 0.05 + 1 + 6 + 0.05),  # the link is slower
    ],
)
def test_by_hand(trace: Trace, total: float) -> None:
    assert replay(trace, SLOW, as_measured).total == pytest.approx(total)


def test_a_layer_takes_the_same_on_either_side() -> None:
    trace = (edge(9, layers=3), Question(0, (cloud(0.1, layers=7), cloud(0.1, layers=7)), 0))
    assert replay(trace, Channel(0, 1), equal_layers(0.5)) == Times(total=8.5, edge=1.5, cloud=7.0)


def test_means() -> None:
    assert mean([Times(1, 0.5, 0.2), Times(3, 1.5, 0.4)]) == Times(2, 1, pytest.approx(0.3))


seconds = st.floats(0, 5)
sizes = st.integers(0, 10**6)
passes = st.builds(Pass, st.just(Side.CLOUD), st.integers(1, 9), st.integers(1, 99), seconds)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(edge, seconds),
    st.builds(Upload, sizes),
    st.builds(Question, sizes, st.lists(passes, max_size=3).map(tuple), sizes),
    st.builds(Stream, sizes, st.lists(st.builds(Step, passes, sizes), max_size=3).map(tuple)),
)
channels = st.builds(Channel, st.floats(0, 1), st.floats(0.1, 1000))


@given(st.lists(events, max_size=12).map(tuple), channels)
def test_whoever_waits_waits_for_what_was_sent(trace: Trace, channel: Channel) -> None:
    times = replay(trace, channel, as_measured)
    crossings = sum(isinstance(event, Question | Stream) for event in trace)
    assert times.link >= channel.rtt_s * crossings - 1e-9
    assert times.total <= times.edge + times.cloud + channel.rtt_s * crossings + channel.seconds(sum(map(nbytes, trace))) + 1e-6
    better = replay(trace, Channel(channel.rtt_s / 2, channel.mbps * 2), as_measured)
    assert better.total <= times.total + 1e-9
    assert (better.edge, better.cloud) == (times.edge, times.cloud)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(checkpoint("llama"), Partition(2, 3, LAYERS), exits((2, 3)), 12, END)


@pytest.fixture(scope="module")
def prompts() -> list[list[int]]:
    random = Random(5)
    return [[random.randrange(1, VOCABULARY) for _ in range(length)] for length in (3, 20, 9, 31, 5)]


def test_cloud_only_and_naive_are_the_unsplit_model(bench: Bench, prompts: list[list[int]]) -> None:
    expected = [bench.reference(prompt) for prompt in prompts]
    whole, naive = bench.alone(prompts, [Way("whole", None), Way("naive", EVERY_TOKEN, Wire.FLOAT32, naive=True)])
    assert [answer.tokens for answer in whole] == expected
    assert [answer.tokens for answer in naive] == expected
    for prompt, answer in zip(prompts, naive, strict=True):
        lengths = range(len(prompt), len(prompt) + len(answer.tokens))
        questions = [event for event in answer.trace if isinstance(event, Question)]
        beside = [question.up - 4 * WIDTH * length for question, length in zip(questions, lengths, strict=True)]
        assert set(beside[1:]) == {OVERHEAD + 2}  # the first opens the session
        assert answer.computed == answer.positions


def test_alone_accounts_for_all_passes(bench: Bench, prompts: list[list[int]]) -> None:
    drafting = Way("verified", Mode(Kind.VERIFIED, 0.0, 3), rtt_ms=10_000)
    verified, alone = bench.alone(prompts, [drafting, Way("standalone", Mode(Kind.STANDALONE, 0.0))])
    for answer in verified:
        assert answer.computed > answer.positions  # drafts that were wrong
        assert read(answer, Side.EDGE, 2) >= answer.positions
        assert read(answer, Side.CLOUD, LAYERS - 2) == answer.computed
    assert [(answer.asks, answer.nbytes, answer.computed) for answer in alone] == [(0, 0, 0)] * len(prompts)
    (long,) = bench.alone(prompts, [Way("long", EVERY_TOKEN)], 20)
    assert [len(answer.tokens) for answer in long] == [20] * len(prompts)


def test_several_at_once_share_passes_and_leave_nothing(bench: Bench, prompts: list[list[int]]) -> None:
    way = Way("every token", EVERY_TOKEN)
    (alone,) = bench.alone(prompts, [way])
    together = bench.together(prompts, way, len(prompts))
    assert list(together.tokens) == [answer.tokens for answer in alone]
    assert together.asks == sum(map(len, together.tokens))
    assert together.cloud_passes < together.asks / 2
    assert together.left_bytes == 0


def read(answer: Given, side: Side, layers: int) -> int:
    """Positions that went through that side's so many layers."""
    inside = [event.passes if isinstance(event, Question) else (event,) for event in answer.trace]
    found = [work for group in inside for work in group if isinstance(work, Pass)]
    return sum(work.positions for work in found if (work.side, work.layers) == (side, layers))
