"""Headers are what aiortc's parser, written by others, reads out of them."""

from __future__ import annotations

from typing import Any

import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket, unpack_header_extensions
from hypothesis import given
from hypothesis import strategies as st

from signaling_service.media.written_head import WrittenHead

MID, SEND_TIME = (
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
)
NUMBER = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"


def reader(**ids: str) -> HeaderExtensionsMap:
    """Return aiortc's reader of these extensions, by `id3="urn:..."`."""
    known = HeaderExtensionsMap()
    extensions = [RTCRtpHeaderExtensionParameters(id=int(name[2:]), uri=uri) for name, uri in ids.items()]
    known.configure(RTCRtpParameters(headerExtensions=extensions))
    return known


@given(
    number=st.integers(0, 2**17),
    timestamp=st.integers(0, 2**33),
    marker=st.booleans(),
    send_time=st.integers(0, 2**24 - 1),
    transport_number=st.integers(0, 2**16 - 1),
    payload=st.binary(min_size=1, max_size=40),
    mid=st.text("abc09", min_size=1, max_size=20),
    mid_id=st.sampled_from([1, 14, 15, 200]),
)
def test_what_is_written_is_read(
    number: int,
    timestamp: int,
    marker: bool,
    send_time: int,
    transport_number: int,
    payload: bytes,
    mid: str,
    mid_id: int,
) -> None:
    head = WrittenHead(99, 7, [(mid_id, mid.encode())], send_time_id=3, transport_number_id=4)
    known = reader(**{f"id{mid_id}": MID, "id3": SEND_TIME, "id4": NUMBER})
    # What the packet before had leaves nothing behind.
    head.before(
        b"other", 2**16 - 1, 2**32 - 1, marker=not marker, send_time=2**24 - 1, transport_number=65535
    )
    packet = RtpPacket.parse(
        head.before(
            payload, number, timestamp, marker=marker, send_time=send_time, transport_number=transport_number
        ),
        known,
    )
    assert (packet.payload_type, packet.ssrc, packet.payload) == (99, 7, payload)
    assert (packet.sequence_number, packet.timestamp) == (number % 2**16, timestamp % 2**32)
    assert packet.marker == marker
    extensions: Any = packet.extensions
    assert (extensions.mid, extensions.abs_send_time) == (mid, send_time)
    assert extensions.transport_sequence_number == transport_number


def test_without_extensions_the_header_is_a_plain_one() -> None:
    packet = WrittenHead(96, 1).before(b"data", 5, 6, marker=False, send_time=7, transport_number=8)
    assert packet[0] == 0x80
    assert len(packet) == 12 + 4


@pytest.mark.parametrize(("send_time_id", "number_id"), [(3, None), (None, 4)])
def test_an_extension_that_was_not_agreed_is_not_written(
    send_time_id: int | None, number_id: int | None
) -> None:
    head = WrittenHead(96, 1, send_time_id=send_time_id, transport_number_id=number_id)
    packet = head.before(b"data", 5, 6, marker=False, send_time=0x010203, transport_number=0x0405)
    written = unpack_header_extensions(0xBEDE, packet[16:-4])
    assert written == ([(3, b"\1\2\3")] if send_time_id else [(4, b"\4\5")])
