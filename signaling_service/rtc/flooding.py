"""What one page may have this host remember and do: aiortc notes each sender, and handles whatever comes.

- A source of RTP (SSRC) is noted with its first packet, and told of in each report.
- All calls of a process share one thread. A packet of 2 kB may name 8,000 lost packets, or tell of 70,000: a
  few hundred kilobits a second of these would leave the others nothing.

Data channels have limits of their own (sctp_limits.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

MAX_SOURCES = 31
"""As many as a report can name (RFC 3550 section 6.4.2). A page has one for each section, and of repeats."""
SHARE = 0.25
"""Of a core, for handling what one page sends. A camera of 640x480 takes a fiftieth of a core."""
BURST_S = 0.05
"""Of such time. It was saved while nothing came, as when this process stood still."""


def of_few_sources(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `RtpRouter.route_rtp` that knows no more sources than `MAX_SOURCES`."""

    def route_rtp(self: Any, packet: Any) -> Any:
        sources = self.ssrc_table
        if packet.ssrc not in sources and len(sources) >= MAX_SOURCES:
            return None
        return original(self, packet)

    return route_rtp


class HandlingTime:
    """A page's budget of this thread's CPU time, which is asked before each datagram."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.thread_time
    ) -> None:
        self._clock, self._cpu_clock = clock, cpu_clock
        self._left_s = BURST_S
        self._at_s = clock()
        self._began_s = 0.0

    def begin(self) -> bool:
        """Tell whether the next datagram may be handled now; `end` follows where it may."""
        now_s = self._clock()
        self._left_s = min(BURST_S, self._left_s + SHARE * (now_s - self._at_s))
        self._at_s = now_s
        self._began_s = self._cpu_clock()
        return self._left_s > 0

    def end(self) -> None:
        """Take what it has cost off the budget, which may so become less than nothing."""
        self._left_s -= self._cpu_clock() - self._began_s
