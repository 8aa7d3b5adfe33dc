"""Bandwidth traces: both formats, repeated, refused when they are none."""

import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.trace import Trace, read_trace
from policies.errors import ConfigurationError

SPANS = st.lists(st.floats(0.01, 10), min_size=1, max_size=8)
RATES = st.floats(0, 1e8)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    spans = draw(SPANS)
    rates = draw(st.lists(RATES, min_size=len(spans), max_size=len(spans)).filter(lambda r: max(r) > 1e3))
    starts = [0.0]
    for span in spans:
        starts.append(starts[-1] + span)
    return Trace(starts, rates)


def sent(times: list[float], rates: list[float], start: float, seconds: float) -> float:
    """Bits that leave in a while, summed piece by piece: what `Trace.seconds` inverts."""
    period, total, now, end = times[-1] - times[0], 0.0, start, start + seconds
    while now < end:
        offset = now % period
        piece = next(i for i, (a, b) in enumerate(pairwise(times)) if a <= offset < b)
        step = min(times[piece + 1] - offset, end - now)
        total, now = total + rates[piece] * step, now + step
    return total


def test_seconds_mbit(tmp_path: Path) -> None:
    file = tmp_path / "norway"
    file.write_text("0.0 1.0\n1.0 2.0\n3.0 9.9\n")
    trace = read_trace(file)
    assert trace.period_s == 3.0
    assert trace.mean_bits_per_s == pytest.approx(5e6 / 3)
    assert trace.seconds(1e6, 0) == pytest.approx(1.0)
    assert trace.seconds(3e6, 0) == pytest.approx(2.0)


def test_milliseconds_kbit(tmp_path: Path) -> None:
    file = tmp_path / "oboe"
    file.write_text("15.0 3000.0\n515.0 3000.0\n1015.0 1000.0\n\n")
    trace = read_trace(file)
    assert trace.period_s == pytest.approx(1.0)
    assert trace.seconds(3e6, 0) == pytest.approx(1.0)


def test_waits_through_silence() -> None:
    trace = Trace([0, 1, 2], [0, 8])
    assert trace.seconds(8, 0) == pytest.approx(2)
    assert trace.seconds(16, 1.5) == pytest.approx(4.0 - 1.5 + 1.5)


def test_what_was_sent_until_the_end_of_a_period_does_not_wait_for_the_next() -> None:
    assert Trace([0, 1, 2], [0, 8]).seconds(8, 1) == pytest.approx(1)


@given(trace=traces(), bits=st.floats(1, 1e8), start=st.floats(0, 50))
def test_sends_exactly_the_bits(trace: Trace, bits: float, start: float) -> None:
    seconds = trace.seconds(bits, start)
    once_more = trace.seconds(2 * bits, start)
    assert seconds <= once_more
    both = seconds + trace.seconds(bits, start + seconds)
    # Where a bit leaves just before silence, rounding decides whether it does so just after.
    slack = 1e-6 * bits + 1e-3
    least, most = (trace.seconds(2 * bits + sign * slack, start) for sign in (-1, 1))
    assert least - 1e-6 * (1 + least) <= both <= most + 1e-6 * (1 + most)


@given(bits=st.floats(1, 100), start=st.floats(0, 20))
def test_agrees_with_the_sum_over_pieces(bits: float, start: float) -> None:
    times, rates = [0.0, 1.0, 1.5, 4.0], [3.0, 0.0, 7.0]
    seconds = Trace(times, rates).seconds(bits, start)
    assert sent(times, rates, start, seconds) == pytest.approx(bits, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a b\n1 2\n", "is no bandwidth trace"),
        ("1 2 3\n2 3 4\n", "is no bandwidth trace"),
        ("", "in two lines at least"),
        ("0 1\n", "in two lines at least"),
        ("1 1\n0 1\n", "must rise from line to line"),
        ("0 1\n0 1\n", "must rise from line to line"),
        ("0 1\nnan 1\n", "must rise from line to line"),
        ("0 0\n1 0\n", "nor all zero"),
        ("0 -1\n1 2\n", "must not be negative"),
        ("0 inf\n1 2\n", "must not be negative"),
    ],
)
def test_not_a_trace(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "trace"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=f"cluster.link.trace: .*{why}"):
        read_trace(file)


def test_no_such_trace(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_trace(tmp_path / "none")


@pytest.mark.data
@pytest.mark.parametrize(("folder", "least", "most"), [("oboe/traces", 0.1, 20), ("norway_3g", 0.05, 10)])
def test_measured_traces(folder: str, least: float, most: float) -> None:
    data = Path(os.environ.get("ISTHMUS_DATA", Path(__file__).parents[4] / "shared" / "data")) / "network" / folder
    if not data.is_dir():
        pytest.skip(f"there are no measured traces in {data}")
    means = [read_trace(file).mean_bits_per_s / 1e6 for file in data.rglob("*") if file.is_file()]
    assert len(means) > 200
    assert least < min(means) <= max(means) < most
