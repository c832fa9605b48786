"""When something was captured, by the publisher's own clock.

RTP timestamps of picture and sound begin anywhere. The publisher's sender reports tie both to one clock (RFC
3550 section 6.4.1). Viewers are told times of that clock, so their players put both together.
"""

from __future__ import annotations

from aiortc import clock

NTP_SECOND = 1 << 32
_HALF = 1 << 31


class SenderClock:
    """Turns RTP timestamps of one section into NTP time; before the first report, into now."""

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._ntp = 0
        self._rtp = 0
        self.is_known = False

    def note_report(self, ntp_timestamp: int, rtp_timestamp: int) -> None:
        """Take a sender report's pair of times; an NTP time of zero says that the sender has no clock."""
        if ntp_timestamp:
            self._ntp, self._rtp = ntp_timestamp, rtp_timestamp
            self.is_known = True

    def ntp(self, rtp_timestamp: int | None) -> int:
        """Return the NTP time (64 bits, seconds since 1900 times 2**32) of an RTP timestamp (32 bits)."""
        if not self.is_known or rtp_timestamp is None:
            return clock.current_ntp_time()
        ticks = (rtp_timestamp - self._rtp + _HALF) % (2 * _HALF) - _HALF  # It wraps.
        return self._ntp + ticks * NTP_SECOND // self._clock_rate
