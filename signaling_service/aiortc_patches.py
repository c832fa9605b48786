"""What this service changes in aiortc and aioice: small, here alone, and only in the versions read for it.

Each has a test that fails without it (tests/signaling_service/test_aiortc_patches.py).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import aioice.ice
import aiortc
import aiortc.codecs.vpx as vpx
import aiortc.jitterbuffer as jitterbuffer

logger = logging.getLogger(__name__)

READ_FOR = ("1.16.",)
START_KBPS = 2000
VP8_BITS_PER_S = 1_500_000
"""aiortc starts at 0.5 Mbit/s: a blurred picture until the browser's estimate has come, and each step up to
it is a new encoder and a key frame. The bitrate still follows the estimate down."""


def apply(ice_addresses: Sequence[str]) -> None:
    """Patch the installed aiortc; `ice_addresses` are the host candidates to offer, empty for all."""
    if not aiortc.__version__.startswith(READ_FOR):
        logger.warning(
            "aiortc %s is not one of the versions that the patches were written for (%s): latency will be "
            "higher and pictures smaller at first",
            aiortc.__version__,
            ", ".join(version + "x" for version in READ_FOR),
        )
        return
    jitterbuffer.JitterBuffer._remove_frame = _remove_frame  # type: ignore[method-assign]
    vpx.DEFAULT_BITRATE = VP8_BITS_PER_S
    aioice.ice.get_host_addresses = _host_addresses(tuple(ice_addresses))


def with_start_bitrate(answer_sdp: str, kbps: int = START_KBPS) -> str:
    """Tell Chromium in the answer at which bitrate to begin sending.

    It begins at 0.3 Mbit/s otherwise, which at 640x480 makes it send 480x360 for the first 24 s.
    """
    lines = answer_sdp.split("\r\n")
    in_video = False
    codecs: dict[str, int] = {}
    for index, line in enumerate(lines):
        if line.startswith("m="):
            in_video = line.startswith("m=video")
        if in_video and (match := re.match(r"a=rtpmap:(\d+) (VP8|H264|VP9|AV1)/", line)):
            codecs[match[1]] = index
    parameter = f"x-google-start-bitrate={kbps}"
    for payload_type, index in sorted(codecs.items(), key=lambda item: -item[1]):
        prefix = f"a=fmtp:{payload_type} "
        existing = next((i for i, line in enumerate(lines) if line.startswith(prefix)), None)
        if existing is None:
            lines.insert(index + 1, prefix + parameter)
        else:
            lines[existing] += f";{parameter}"
    return "\r\n".join(lines)


def _host_addresses(chosen: tuple[str, ...]):  # type: ignore[no-untyped-def]
    original = aioice.ice.get_host_addresses
    original = getattr(original, "original", original)

    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        if chosen:
            return [a for a in chosen if (use_ipv6 if ":" in a else use_ipv4)]
        # A machine without a network still serves its own browser.
        return list(original(use_ipv4, use_ipv6)) or ["127.0.0.1"]

    get_host_addresses.original = original  # type: ignore[attr-defined]
    return get_host_addresses


def _remove_frame(self: jitterbuffer.JitterBuffer, sequence_number: int) -> jitterbuffer.JitterFrame | None:
    """Take the first complete frame out of the jitter buffer.

    A video frame is complete at its RTP marker (RFC 7741 section 4.1 for VP8, RFC 6184 section 5.1 for H264);
    waiting for the first packet of the next one, as aiortc does, loses a frame's time: 33 ms at 30 fps.
    """
    packets: list[bytes] = []
    timestamp: int | None = None
    first: jitterbuffer.JitterFrame | None = None
    first_end = frames = 0
    count = 0
    while count < self._capacity:
        packet = self._packets[(self._origin + count) % self._capacity]  # type: ignore[operator]
        if packet is None:
            return None
        ends_before = timestamp is not None and packet.timestamp != timestamp
        ends_here = self._is_video and not ends_before and packet.marker
        if not ends_before:
            timestamp = packet.timestamp
            packets.append(packet._data)  # type: ignore[attr-defined]
            count += 1
        if not (ends_before or ends_here):
            continue
        data = b"".join(packets)
        frames += 1
        if first is None:
            assert timestamp is not None
            first, first_end = jitterbuffer.JitterFrame(data=data, timestamp=timestamp), count
        if frames >= self._prefetch:
            self.remove(first_end)
            if data or not self._is_video:
                return first
            # Padding behind a marker is no frame: go on with what follows it.
            first, first_end, frames, count = None, 0, 0, 0
        packets, timestamp = [], None
    return None
