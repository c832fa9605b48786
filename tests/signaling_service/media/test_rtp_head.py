"""What is read of a packet is what aiortc's parser reads, or nothing."""

from __future__ import annotations

from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from hypothesis import given
from hypothesis import strategies as some

from signaling_service.media.rtp_head import Form, Head, head_of
from signaling_service.media.transport_feedback import URI

SSRC, PAYLOAD_TYPE = 7, 97
MID, SEND_TIME, TRANSPORT_NUMBER = 1, 3, 4
FORM = Form(SSRC, PAYLOAD_TYPE, SEND_TIME, TRANSPORT_NUMBER)
URIS = {
    MID: "urn:ietf:params:rtp-hdrext:sdes:mid",
    SEND_TIME: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    TRANSPORT_NUMBER: URI,
}


def known() -> HeaderExtensionsMap:
    of = HeaderExtensionsMap()
    extensions = [RTCRtpHeaderExtensionParameters(id=id_, uri=uri) for id_, uri in URIS.items()]
    of.configure(RTCRtpParameters(headerExtensions=extensions))
    return of


def a_packet(marker: int = 1, **extensions: object) -> RtpPacket:
    packet = RtpPacket(PAYLOAD_TYPE, marker, 65535, 2**32 - 1, SSRC, b"payload")
    for name, value in extensions.items():
        setattr(packet.extensions, name, value)
    return packet


def agrees(data: bytes) -> bool:
    """Tell whether the packet was read; what was read must be aiortc's."""
    head = head_of(data, FORM)
    if head is None:
        return False
    of = RtpPacket.parse(data, known())
    assert (of.ssrc, of.payload_type) == (SSRC, PAYLOAD_TYPE)
    assert head == Head(
        of.sequence_number,
        of.timestamp,
        bool(of.marker),
        of.extensions.abs_send_time,
        of.extensions.transport_sequence_number,
        len(data) - len(of.payload),
    )
    return True


def test_packets_of_a_camera_are_read() -> None:
    assert agrees(a_packet().serialize())
    assert agrees(a_packet(marker=0, abs_send_time=0xABCDEF).serialize(known()))
    assert agrees(
        a_packet(mid="0", abs_send_time=0x000001, transport_sequence_number=65535).serialize(known())
    )


def test_other_streams_and_unusual_packets_are_left_to_aiortc() -> None:
    other_source, other_type, padded, mixed = a_packet(), a_packet(), a_packet(), a_packet()
    other_source.ssrc, other_type.payload_type, padded.padding_size, mixed.csrc = 8, 98, 4, [1]
    for packet in (other_source, other_type, padded, mixed):
        assert not agrees(packet.serialize(known()))
    # Two-byte extensions (RFC 8285 section 4.3).
    assert not agrees(a_packet(mid="longer than sixteen").serialize(known()))


def test_each_truncation_is_read_as_aiortc_does_or_not_at_all() -> None:
    whole = a_packet(mid="0", abs_send_time=5, transport_sequence_number=6).serialize(known())
    read = [size for size in range(len(whole)) if agrees(whole[:size])]
    assert read == list(range(len(whole) - len(b"payload"), len(whole)))


@given(some.binary(max_size=40), some.binary(max_size=8))
def test_whatever_is_behind_the_fixed_header_is_read_as_aiortc_does(
    extensions: bytes, payload: bytes
) -> None:
    padded = extensions + bytes(-len(extensions) % 4)
    fixed = a_packet().serialize()[:12]
    profile = b"\xbe\xde" + (len(padded) // 4).to_bytes(2, "big")
    data = bytes([fixed[0] | 0x10]) + fixed[1:] + profile + padded + payload
    try:
        RtpPacket.parse(data, known())
    except Exception:
        # Also where aiortc minds a value that is not looked at here, as a mid that is no text.
        return
    agrees(data)
