"""The most that a page may send, told to one that finds out by itself what the network takes.

A page that gets transport-wide feedback needs no estimate of ours, and a bound only where one is set.
libwebrtc takes a REMB of its first 2 s for a promise, and begins with it: so it is told later.
"""

from __future__ import annotations

from signaling_service.media.bitrate import BitrateProfile

FIRST_AFTER_S, EVERY_S = 3.0, 1.0


class ReceiveCeiling:
    """Stands in for a ReceiveEstimate."""

    def __init__(self, profile: BitrateProfile) -> None:
        self._most = profile.most
        self._report_at_s: float | None = None

    def add(self, sent: int | None, number: int | None, size_bytes: int, now_s: float) -> None:
        """Note that something came."""
        if self._report_at_s is None:
            self._report_at_s = now_s + FIRST_AFTER_S

    def due(self, now_s: float) -> int | None:
        """Return the bits per second to report now, or None."""
        if self._most is None or self._report_at_s is None or now_s < self._report_at_s:
            return None
        self._report_at_s = now_s + EVERY_S
        return self._most
