"""A calibrated replay: what was measured of an answer, over a link and on hosts that are not there.

A trace has the computing of an answer, pass by pass, as it was measured, and the bytes that it sent and received. Replayed,
the passes take the same time; the link is arithmetic: half a round trip each way, and one message after the other at the
link's speed. Uploads travel beside the edge's computing, questions behind the uploads before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """Where a pass is computed."""

    EDGE = "edge"
    CLOUD = "cloud"


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward pass through some layers."""

    side: Side
    layers: int
    positions: int
    seconds: float
    """Of computing, as measured."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Sent beside whatever else happens."""

    nbytes: int


@dataclass(frozen=True, slots=True)
class Question:
    """Sent, computed, answered; the edge waits."""

    up: int
    passes: tuple[Pass, ...]
    down: int


@dataclass(frozen=True, slots=True)
class Step:
    """A pass of a stream, and the bytes that leave after it."""

    work: Pass
    down: int


@dataclass(frozen=True, slots=True)
class Stream:
    """A question whose answer comes piece by piece, the next one being computed while the last is on its way."""

    up: int
    steps: tuple[Step, ...]


Event = Pass | Upload | Question | Stream
Trace = tuple[Event, ...]
Hosts = Callable[[Pass], float]
"""How many seconds a pass takes."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A link between the tiers, alike in both directions."""

    rtt_s: float
    mbps: float

    def seconds(self, nbytes: int) -> float:
        """How long so many bytes occupy it."""
        return nbytes * 8 / (self.mbps * 1e6)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one answer, or means over several."""

    total: float
    edge: float
    cloud: float

    @property
    def link(self) -> float:
        """What is neither the edge's nor the cloud's computing: waiting for the link."""
        return self.total - self.edge - self.cloud


def nbytes(event: Event) -> int:
    """What crosses the link, both ways."""
    match event:
        case Pass():
            return 0
        case Upload():
            return event.nbytes
        case Question():
            return event.up + event.down
        case Stream():
            return event.up + sum(step.down for step in event.steps)


def as_measured(work: Pass) -> float:
    """Both sides as fast as the processor on which it was measured."""
    return work.seconds


def equal_layers(layer_s: float) -> Hosts:
    """A layer takes `layer_s` on either side, however many positions are in the pass.

    The hosts of CE-CoLLM behaved so (arXiv 2411.02829, table for Alpaca): 11.6 s a layer in the cloud (369.80 s for 32) and at
    least 12.6 s at the edge (201.57 s for at most 16). Its collaborative cloud took 112.72 s to answer for 49.58 % of the
    tokens, less than so many passes of 24 layers (137.5 s), although these had to catch up on the tokens in between.
    """
    return lambda work: work.layers * layer_s


def replay(trace: Trace, channel: Channel, hosts: Hosts) -> Times:
    """How long the answer takes until its last token is at the edge."""
    now = uplink_free = edge = cloud = 0.0
    for event in trace:
        match event:
            case Pass():
                edge += hosts(event)
                now += hosts(event)
            case Upload():
                uplink_free = max(now, uplink_free) + channel.seconds(event.nbytes)
            case Question():
                uplink_free = max(now, uplink_free) + channel.seconds(event.up)
                computed = sum(map(hosts, event.passes))
                cloud += computed
                now = uplink_free + channel.rtt_s + computed + channel.seconds(event.down)
            case Stream():
                uplink_free = max(now, uplink_free) + channel.seconds(event.up)
                at_cloud = sent = uplink_free + channel.rtt_s / 2
                for step in event.steps:
                    at_cloud += hosts(step.work)
                    cloud += hosts(step.work)
                    sent = max(sent, at_cloud) + channel.seconds(step.down)
                now = sent + channel.rtt_s / 2
    return Times(now, edge, cloud)


def mean(times: Sequence[Times]) -> Times:
    """Over answers. Raises ZeroDivisionError for none."""
    count = len(times)
    return Times(*(sum(column) / count for column in zip(*((t.total, t.edge, t.cloud) for t in times), strict=True)))
