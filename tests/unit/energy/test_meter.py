"""Joules: who pays what for a device that several use at once."""

import pytest

from cluster.config import Power
from cluster.energy import EnergyMeter

POWER = Power(idle_w=4.0, peak_w=20.0)


class Clock:
    """A clock, or a counter of joules, that the test turns."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def read_j(self) -> float:
        return self.now


def test_one_span_pays_for_its_part_of_the_device():
    clock = Clock()
    meter = EnergyMeter(POWER, share=0.25, clock=clock)
    with meter.span() as span:
        clock.now = 2.0
    assert span.joules == pytest.approx(2 * (4 + 16 * 0.25))
    assert meter.source == "modelled"


def test_spans_that_overlap_share_and_together_pay_what_the_device_spent():
    clock = Clock()
    meter = EnergyMeter(POWER, share=0.5, clock=clock)
    first = meter.span()
    clock.now = 1.0
    second = meter.span()
    clock.now = 3.0
    first.end()
    clock.now = 4.0
    second.end()
    alone, both = 4 + 16 * 0.5, 4 + 16
    assert first.joules == pytest.approx(alone + 2 * both / 2)
    assert second.joules == pytest.approx(2 * both / 2 + alone)


def test_more_spans_than_fit_do_not_draw_more_than_the_peak():
    clock = Clock()
    meter = EnergyMeter(POWER, share=0.5, clock=clock)
    spans = [meter.span() for _ in range(5)]
    clock.now = 1.0
    assert sum(span.end() for span in spans) == pytest.approx(20)


def test_nobody_pays_for_the_time_between_requests():
    clock = Clock()
    meter = EnergyMeter(POWER, clock=clock)
    meter.span().end()
    clock.now = 100.0
    assert meter.span().end() == 0


def test_a_counter_of_the_machine_takes_the_place_of_the_model():
    counter = Clock()
    meter = EnergyMeter(POWER, counter=counter)
    counter.now = 50.0
    first, second = meter.span(), meter.span()
    counter.now = 58.0
    assert (first.end(), second.end()) == (4.0, 4.0)
    assert meter.source == "measured"


def test_ending_twice_changes_nothing():
    clock = Clock()
    meter = EnergyMeter(POWER, clock=clock)
    span = meter.span()
    clock.now = 1.0
    joules = span.end()
    clock.now = 2.0
    assert span.end() == joules == 20
    with meter.span() as other:
        clock.now = 3.0
    assert other.joules == 20


def test_an_open_span_has_no_joules_yet():
    with pytest.raises(RuntimeError, match="still open"):
        _ = EnergyMeter(POWER).span().joules


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_a_share_is_a_part(share: float):
    with pytest.raises(ValueError, match="share"):
        EnergyMeter(POWER, share=share)
