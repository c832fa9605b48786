"""What one page may have this host remember of its media.

aiortc notes each source of RTP (SSRC) with its first packet, and tells of it in each report. Data channels
have limits of their own (sctp_limits.py), and so has what a page may cost (sockets/handling_time.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAX_SOURCES = 31
"""As many as a report can name (RFC 3550 section 6.4.2). A page has one for each section, and of repeats."""


def of_few_sources(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `RtpRouter.route_rtp` that knows no more sources than `MAX_SOURCES`."""

    def route_rtp(self: Any, packet: Any) -> Any:
        sources = self.ssrc_table
        if packet.ssrc not in sources and len(sources) >= MAX_SOURCES:
            return None
        return original(self, packet)

    return route_rtp
