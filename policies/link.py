"""What a link does to a message, learnt from a system's own requests: seconds = round trip + bits × seconds per bit.

Both are fitted by least squares over what was measured. Two fits are kept: one in which a measurement fades with every later
one, which is what the link is usually like, and one in which it fades with age, which follows a link that has just changed.
The second is drawn to the first and the first to the configuration, each by a few imagined messages, so that messages of
one size leave the bandwidth at what is believed, and one slow message does not make a slow link.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

KEEP = 0.99
"""Weight that a measurement keeps in the usual fit when the next one comes."""
HALF_LIFE_S = 20.0
"""Age at which a measurement counts half in the latest fit."""
ANCHOR = 2.0
"""Imagined small messages that speak for what is believed already."""
LARGE_BITS = 1e5
"""Size of the one imagined large message, which speaks for the believed bandwidth."""
LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True)
class LinkState:
    """A link as a line: seconds of a message of no size there and back, and for each bit."""

    round_trip_s: float
    seconds_per_bit: float

    def seconds(self, bits: float) -> float:
        """Seconds of a message of `bits`."""
        return self.round_trip_s + bits * self.seconds_per_bit

    @property
    def bits_per_s(self) -> float:
        """Bandwidth; infinite where size was not seen to matter."""
        return 1.0 / self.seconds_per_bit if self.seconds_per_bit > 0 else math.inf


class LinkEstimate:
    """The link to one site. A clock that goes back is taken to stand still."""

    def __init__(self, configured: LinkState) -> None:
        """`configured` is believed until messages say otherwise."""
        self._configured = configured
        self._usual: Sequence[float] = (0.0,) * 5
        self._latest: Sequence[float] = (0.0,) * 5
        self._at = -math.inf
        self.state = configured
        """The link as it was last measured."""

    def note(self, bits: float, seconds: float, now: float) -> None:
        """A message of `bits` took `seconds` on the network; impossible numbers are ignored."""
        if not (0 <= seconds < LONGEST_S and 0 <= bits < math.inf):
            return
        passed, self._at = max(0.0, now - self._at), max(now, self._at)
        fade = 0.5 ** min(passed / HALF_LIFE_S, 1000.0)
        moments = (1.0, bits, seconds, bits * bits, bits * seconds)  # five floats: arrays would take three times as long
        self._usual = tuple([KEEP * old + new for old, new in zip(self._usual, moments, strict=True)])
        self._latest = tuple([fade * old + new for old, new in zip(self._latest, moments, strict=True)])
        self.state = _line(self._latest, _line(self._usual, self._configured))


def _line(sums: Sequence[float], believed: LinkState) -> LinkState:
    """Least squares over weighted sums (1, x, y, x², xy) and the imagined messages; neither number is below 0."""
    weight, x, y, xx, xy = sums
    large_s = believed.seconds(LARGE_BITS)
    weight += ANCHOR + 1.0
    x += LARGE_BITS
    y += ANCHOR * believed.round_trip_s + large_s
    xx += LARGE_BITS**2
    xy += LARGE_BITS * large_s
    slope = max(0.0, (xy - x * y / weight) / (xx - x * x / weight))
    constant = (y - slope * x) / weight
    if constant < 0:  # the line that goes through nothing for nothing
        return LinkState(0.0, xy / xx)
    return LinkState(constant, slope)
