"""What one connection has sent and received since somebody last asked, by aiortc's own statistics."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from aiortc import RTCPeerConnection

ENCODERS = ("libx264", "h264_nvenc", "libvpx")
OTHER_ENCODER = "other"


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of RTP; `in` comes from the page."""

    bytes_in: int = 0
    bytes_out: int = 0
    packets_in: int = 0
    packets_out: int = 0
    lost_in: int = 0
    lost_out: int = 0


class CallFigures:
    """Asks one connection. Event loop only."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self._pc = pc
        self._before = Figures()
        self.round_trip_s: float | None = None
        """As the page's last report has it; None before the first."""

    @property
    def encoder(self) -> str | None:
        """The library that encodes the returned picture; None before its first frame."""
        for sender in self._pc.getSenders():
            encoder: Any = getattr(sender, "_RTCRtpSender__encoder", None)
            if (codec := getattr(encoder, "codec", None)) is not None:
                return codec.name if codec.name in ENCODERS else OTHER_ENCODER
        return None

    async def take(self) -> Figures:
        """Return what has been counted since the last call."""
        counted = {one.name: 0 for one in fields(Figures)}
        transports: dict[str, Any] = {}
        for one in (await self._pc.getStats()).values():
            if one.type == "transport":
                # Several streams may share one.
                transports[one.id] = one
            elif one.type == "inbound-rtp":
                counted["packets_in"] += one.packetsReceived
                counted["lost_in"] += one.packetsLost
            elif one.type == "outbound-rtp":
                counted["packets_out"] += one.packetsSent
            elif one.type == "remote-inbound-rtp":
                counted["lost_out"] += one.packetsLost
                self.round_trip_s = one.roundTripTime
        counted["bytes_in"] = sum(one.bytesReceived for one in transports.values())
        counted["bytes_out"] = sum(one.bytesSent for one in transports.values())
        before, now = self._before, Figures(**counted)
        self._before = now
        # A packet that was thought lost and comes late makes the count fall.
        return Figures(
            *(max(0, getattr(now, one.name) - getattr(before, one.name)) for one in fields(Figures))
        )
