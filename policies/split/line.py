"""A cost that has a fixed part and one for each piece, learnt from what was measured."""

from __future__ import annotations

from dataclasses import dataclass

_GAIN = 1 / 8
"""As the means of `pace` have it."""


@dataclass(slots=True)
class Line:
    """Least squares of seconds over pieces, older measurements weighing exponentially less. Neither part is ever negative."""

    pieces: float = 0.0
    seconds: float = 0.0
    """Weighted means."""
    variance: float = 0.0
    covariance: float = 0.0

    def note(self, pieces: float, seconds: float) -> None:
        """Take one measurement in, of at least one piece; the first is believed."""
        if not self.pieces:
            self.pieces, self.seconds = pieces, seconds
            return
        more, longer = pieces - self.pieces, seconds - self.seconds
        self.pieces += _GAIN * more
        self.seconds += _GAIN * longer
        self.variance = (1 - _GAIN) * (self.variance + _GAIN * more * more)
        self.covariance = (1 - _GAIN) * (self.covariance + _GAIN * more * longer)

    @property
    def each(self) -> float:
        """Seconds that one more piece takes. All of them, as long as every measurement was of the same number of pieces."""
        if not self.pieces:
            return 0.0
        all_of_it = self.seconds / self.pieces
        return min(max(0.0, self.covariance / self.variance), all_of_it) if self.variance else all_of_it

    def at(self, pieces: float) -> float:
        """Seconds that so many pieces take together."""
        return self.seconds + (pieces - self.pieces) * self.each
