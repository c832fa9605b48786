"""The load client's packets, and what it makes of packets that return."""

from __future__ import annotations

import pytest
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from benchmarks.call import _payload


@pytest.mark.parametrize("sources", [[], [7, 8]])
@pytest.mark.parametrize("with_extension", [False, True])
def test_the_payload_begins_behind_sources_and_extension(sources: list[int], with_extension: bool) -> None:
    extensions = HeaderExtensionsMap()
    packet = RtpPacket(payload_type=97, marker=1, sequence_number=65535, timestamp=4_000_000_000, ssrc=5)
    packet.csrc = sources
    packet.payload = b"\x90payload"
    if with_extension:
        extensions._HeaderExtensionsMap__ids.abs_send_time = 2  # type: ignore[attr-defined]
        packet.extensions.abs_send_time = 123
    assert _payload(packet.serialize(extensions)) == b"\x90payload"
