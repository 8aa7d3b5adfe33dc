"""A bandwidth over time, read from a measured trace and repeated from its start."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise
from pathlib import Path as FilePath
from statistics import median

from policies.errors import ConfigurationError

MS_STEP, KBPS_RATE = 20.0, 50.0
"""A trace whose median step and median bandwidth both reach these is in ms and kbit/s: the Oboe traces step by 21 to 27,141 ms
at 111 kbit/s and more, the Norwegian 3G traces by about 1 s at 9 Mbit/s and less."""


class Trace:
    """Piecewise constant bandwidth: a line's value holds until the next line's time, the last line ends the period."""

    def __init__(self, times_s: list[float], bits_per_s: list[float]) -> None:
        """`times_s` rise and have one entry more than `bits_per_s`, of which at least one is positive."""
        self._starts = [time - times_s[0] for time in times_s]
        self._rates = bits_per_s
        spans = [end - start for start, end in pairwise(self._starts)]
        self._sent = [0.0, *accumulate(span * rate for span, rate in zip(spans, bits_per_s, strict=True))]

    @property
    def period_s(self) -> float:
        """Seconds after which the trace starts again."""
        return self._starts[-1]

    def scaled(self, factor: float) -> Trace:
        """The same shape with `factor` > 0 times the bandwidth."""
        return Trace([*self._starts], [factor * rate for rate in self._rates])

    @property
    def mean_bits_per_s(self) -> float:
        """Bandwidth averaged over one period."""
        return self._sent[-1] / self.period_s

    def seconds(self, bits: float, start_s: float) -> float:
        """How long `bits` take to serialise when the first leaves `start_s` seconds after the trace began."""
        offset = start_s % self.period_s
        whole, rest = divmod(bits + self._bits_until(offset), self._sent[-1])
        if rest == 0 and whole > 0:  # the last bit leaves at the end of a period, not after the silence at the next one's start
            whole, rest = whole - 1, self._sent[-1]
        return max(0.0, whole * self.period_s + self._time_of(rest) - offset)

    def _bits_until(self, offset: float) -> float:
        i = bisect_right(self._starts, offset) - 1
        return self._sent[i] + (offset - self._starts[i]) * self._rates[i] if i < len(self._rates) else self._sent[-1]

    def _time_of(self, bits: float) -> float:
        """The earliest offset by which `bits` of a period have left."""
        i = bisect_left(self._sent, bits)
        return 0.0 if i == 0 else self._starts[i - 1] + (bits - self._sent[i - 1]) / self._rates[i - 1]


def read_trace(file: FilePath, key: str = "cluster.link.trace") -> Trace:
    """A trace in seconds and Mbit/s, or in milliseconds and kbit/s (told apart by the size of the numbers).

    Raises ConfigurationError, which names the `key` that names the file, when it is missing or is not such a trace.
    """
    try:
        lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        points = [(float(time), float(rate)) for time, rate in lines]
    except OSError as error:
        raise ConfigurationError(f"{key}: {file} cannot be read ({error.strerror}).") from None
    except ValueError:
        raise ConfigurationError(
            f"{key}: {file} is no bandwidth trace; each line needs seconds and Mbit/s, or ms and kbit/s."
        ) from None
    times, rates = [time for time, _ in points], [rate for _, rate in points]
    if len(points) < 2 or any(not 0 <= a < b < float("inf") for a, b in pairwise(times)):
        raise ConfigurationError(f"{key}: the times in {file} must rise from line to line, in two lines at least.")
    if any(not 0 <= rate < float("inf") for rate in rates) or not any(rates[:-1]):
        raise ConfigurationError(f"{key}: the bandwidths in {file} must not be negative, nor all zero.")
    in_ms = median(b - a for a, b in pairwise(times)) >= MS_STEP and median(rates) >= KBPS_RATE
    time_unit, rate_unit = (1e-3, 1e3) if in_ms else (1.0, 1e6)
    return Trace([time * time_unit for time in times], [rate * rate_unit for rate in rates[:-1]])
