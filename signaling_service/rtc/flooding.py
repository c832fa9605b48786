"""What one page may have this host remember: aiortc keeps whatever comes, and notes each sender for ever.

- Messages of data channels wait until all their parts are there. aiortc tells the page a window, and does not
  hold it to that. Each part is looked at again with each that follows: a message without end costs all calls.
- A source of RTP (SSRC) is noted with its first packet, and told of in each report.

Who keeps to what was told loses nothing here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

MAX_STREAMS = 64
"""Of SCTP, one for each data channel; the shim has two."""
MAX_PARTS = 1024
"""That wait together. A window of 1 MB full of whole packets has fewer."""
MAX_SOURCES = 31
"""As many as a report can name (RFC 3550 section 6.4.2). A page has one for each section, and of repeats."""


def within_window(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Return `RTCSctpTransport._receive_data_chunk` that takes no more than the page was told it may send.

    What is beyond is not acknowledged, so it comes again (RFC 9260 section 6.2).
    """

    async def receive(self: Any, chunk: Any) -> None:
        streams = self._inbound_streams
        has_room = len(chunk.user_data) <= self._advertised_rwnd
        is_known = chunk.stream_id in streams or len(streams) < MAX_STREAMS
        if has_room and is_known and sum(len(one.reassembly) for one in streams.values()) < MAX_PARTS:
            await original(self, chunk)
        else:
            self._sack_needed = True

    return receive


def of_few_sources(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `RtpRouter.route_rtp` that knows no more sources than `MAX_SOURCES`."""

    def route_rtp(self: Any, packet: Any) -> Any:
        sources = self.ssrc_table
        if packet.ssrc not in sources and len(sources) >= MAX_SOURCES:
            return None
        return original(self, packet)

    return route_rtp
