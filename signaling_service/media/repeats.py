"""How much a page may have sent again: a bounded share of the stream's bitrate.

A report of a few bytes (NACK) names hundreds of packets: 34 kB of reports fetched 39 MB. A link that loses a
tenth of its packets, and of their repeats, needs an eighth.
"""

from __future__ import annotations

from math import exp

SHARE = 0.25
RECENT_S = 1.0
SAVED_S = 1.0
"""What was not used is kept for so long, since packets are lost in bursts."""


class Repeats:
    """A budget of bytes; times are seconds of a clock that only rises."""

    def __init__(self) -> None:
        self._left_bytes: float | None = None
        self._recent_bytes = 0.0
        self._at_s = 0.0

    def allows(self, size_bytes: int, bits_per_s: int, now_s: float) -> bool:
        """Take so many bytes off the budget of a stream at this rate; False where it has them no more."""
        per_s = SHARE * bits_per_s / 8
        most = SAVED_S * per_s
        if self._left_bytes is None:
            self._left_bytes = most
        else:
            self._left_bytes = min(most, self._left_bytes + (now_s - self._at_s) * per_s)
        self._recent_bytes *= exp((self._at_s - now_s) / RECENT_S)
        self._at_s = now_s
        if self._left_bytes < size_bytes:
            return False
        self._left_bytes -= size_bytes
        self._recent_bytes += size_bytes
        return True

    def bits_per_s(self, now_s: float) -> float:
        """Return what repeats have taken of late, which the picture must do without."""
        return 8 * self._recent_bytes / RECENT_S * exp((self._at_s - now_s) / RECENT_S)
