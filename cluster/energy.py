"""Joules of the work in this process: read from the machine's counters where there are any, else modelled.

    meter = EnergyMeter.of_this_process(power)
    with meter.span() as span:
        work()
    span.joules, meter.source

Requests that overlap share the device. Between two events (a span begins or ends) the device spends dE and n
spans are open: each of them is charged dE / n. Their sum is therefore what the device spent while any was open;
energy between requests is charged to none.

* `measured`: dE is the difference of the machine's own counters (`cluster.counters`).
* `modelled`: dE = (idle_w + (peak_w - idle_w) * utilisation) * dt with utilisation = min(1, n * share), where
  `share` is the part of the device that one span keeps busy: 1 / contexts for an engine that computes requests side
  by side, 1 for one that a single request can fill.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import Literal, Protocol, Self

from cluster.config.models import Power
from cluster.counters import MachineCounter

EnergySource = Literal["measured", "modelled"]


class Counter(Protocol):
    """A counter of joules that only grows."""

    def read_j(self) -> float:
        """Joules since some fixed moment."""


class Span:
    """A piece of work on the meter, from `EnergyMeter.span()` until `end()` or the end of its `with` block."""

    def __init__(self, meter: EnergyMeter) -> None:
        self._meter = meter
        self._from_j = meter._enter()
        self._joules: float | None = None

    def end(self) -> float:
        """Stop charging and return the joules; a second call only returns them."""
        if self._joules is None:
            self._joules = self._meter._leave() - self._from_j
        return self._joules

    @property
    def joules(self) -> float:
        """Joules of the ended span. Raises RuntimeError while it is open."""
        if self._joules is None:
            raise RuntimeError("the span is still open; call end() first")
        return self._joules

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()


class EnergyMeter:
    """Shares the energy of one device between the spans that are open on it. Thread-safe."""

    def __init__(
        self, power: Power, share: float = 1.0, counter: Counter | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`share` is in (0, 1]; without a `counter` the energy is modelled from `power`."""
        if not 0 < share <= 1:
            raise ValueError(f"share is {share:g}, it must be above 0 and at most 1")
        self._power = power
        self._share = share
        self._counter = counter
        self._clock = clock
        self._lock = Lock()
        self._open = 0
        self._last = 0.0
        # Joules that a span open since the beginning would have been charged: a span's own charge is a difference of this.
        self._charged_j = 0.0

    @classmethod
    def of_this_process(cls, power: Power, share: float = 1.0, gpus: float = 0.0) -> EnergyMeter:
        """A measuring meter where the machine has readable counters for the devices in use, else a modelling one."""
        return cls(power, share, MachineCounter.find(gpus))

    @property
    def source(self) -> EnergySource:
        """Where this meter's joules come from."""
        return "modelled" if self._counter is None else "measured"

    def span(self) -> Span:
        """Begin a piece of work."""
        return Span(self)

    def _enter(self) -> float:
        with self._lock:
            self._advance()
            self._open += 1
            return self._charged_j

    def _leave(self) -> float:
        with self._lock:
            self._advance()
            self._open -= 1
            return self._charged_j

    def _advance(self) -> None:
        now = self._clock() if self._counter is None else self._counter.read_j()
        if self._open:
            spent_j = (now - self._last) * (self._watts() if self._counter is None else 1.0)
            self._charged_j += spent_j / self._open
        self._last = now

    def _watts(self) -> float:
        utilisation = min(1.0, self._open * self._share)
        return self._power.idle_w + (self._power.peak_w - self._power.idle_w) * utilisation
