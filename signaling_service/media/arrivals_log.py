"""When the packets of a page came, until it is told (transport_feedback.py)."""

from __future__ import annotations

from signaling_service.media.transport_feedback import pack

REPORT_EVERY_S = 0.05
MOST_PACKETS = 400
"""That a report tells of: 0.05 s of 64 Mbit/s, and less than a datagram carries."""
LONGEST_S = 4.0
"""Between the first and the last packet of a report; what is older is not reported."""


class ArrivalsLog:
    """Times are seconds of a clock that only rises."""

    def __init__(self) -> None:
        self._came: dict[int, float] = {}
        self._newest: int | None = None
        self._oldest = 0
        """At most the lowest number that has come."""
        self._next: int | None = None
        """The number after the last one reported; lower ones come too late to be told."""
        self._reports = 0
        self._report_at_s = 0.0

    def add(self, number: int, now_s: float) -> None:
        """Note a packet by the 16 bits of its transport-wide number."""
        if self._newest is None:
            self._newest = number
        unwrapped = self._newest + (number - self._newest + 0x8000) % 0x10000 - 0x8000
        if self._next is not None and unwrapped < self._next:
            return
        self._newest = max(self._newest, unwrapped)
        if not self._came:
            self._report_at_s = max(self._report_at_s, now_s + REPORT_EVERY_S)
            self._oldest = unwrapped
        self._came.setdefault(unwrapped, now_s)
        self._oldest = min(self._oldest, unwrapped)
        if self._newest - self._oldest >= MOST_PACKETS:
            self._drop_before(self._newest - MOST_PACKETS + 1)

    def due(self, now_s: float) -> bytes | None:
        """Return the report to send now; None while there is none."""
        if now_s < self._report_at_s or not self._came:
            return None
        numbers = sorted(number for number, at_s in self._came.items() if now_s - at_s < LONGEST_S)
        arrivals = [(number, self._came[number]) for number in numbers]
        self._came.clear()
        self._report_at_s = now_s + REPORT_EVERY_S
        if not arrivals:
            return None
        begin = arrivals[0][0] if self._next is None else max(self._next, numbers[-1] - MOST_PACKETS + 1)
        self._next = numbers[-1] + 1
        self._reports += 1
        return pack(arrivals, self._reports - 1, begin)

    def _drop_before(self, first: int) -> None:
        self._came = {number: at_s for number, at_s in self._came.items() if number >= first}
        self._oldest = min(self._came, default=first)
