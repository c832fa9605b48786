"""The functions that read what others send, each as a function of bytes.

A target returns where its input was taken or refused as it should be. Whatever else it raises is a fault.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

from aiortc.codecs.h264 import h264_depayload
from aiortc.codecs.vpx import vp8_depayload
from aiortc.rtp import RtpPacket
from aiortc.sdp import SessionDescription

from shared import wire
from shared.errors import WireError
from shared.wire.data import pack_data, unpack_data
from signaling_service.errors import MalformedRequest, UnusableCandidates, UnusableOffer
from signaling_service.media.path_estimate import PathEstimate
from signaling_service.media.payloads import marks
from signaling_service.media.picture_size import UnreadableSize, sizes_of
from signaling_service.media.rtp_head import Form, head_of
from signaling_service.rtc.ice_restart import credentials_in, name_in
from signaling_service.rtc.transport_wide import TransportWide
from signaling_service.sdp.candidates import PageCandidates
from signaling_service.sdp.offered import read_offer
from signaling_service.sdp.sdp_limits import check_offer
from signaling_service.session.control import _parse as parse_control
from signaling_service.session.requests import Change, Offer, change_from_query, parsed
from tests.fuzz.callers import claims, headers, jwks, token
from tests.fuzz.channels import sctp
from tests.fuzz.media import extension_ids, hear
from tests.fuzz.pictures import own_picture, parameters
from tests.fuzz.sockets import datagram, tcp_stream
from tests.fuzz.workers import endpoint, wire_status

Target = Callable[[bytes], None]
_DEPAYLOAD: dict[str, Callable[[bytes], bytes]] = {"VP8": vp8_depayload, "H264": h264_depayload}


def wire_frame(data: bytes) -> None:
    """A frame from a signaling service; what is taken reads the same when it is packed once more."""
    with contextlib.suppress(WireError):
        header, planes = wire.unpack_frame(data)
        again, _ = wire.unpack_frame(wire.pack_frame(header, planes))
        assert repr(again) == repr(header)


def wire_result(data: bytes) -> None:
    """A result from a worker."""
    with contextlib.suppress(WireError):
        header, planes = wire.unpack_result(data)
        again, _ = wire.unpack_result(wire.pack_result(header, planes))
        assert repr(again) == repr(header)


def wire_data(data: bytes) -> None:
    """What a worker's filters tell beside a picture."""
    with contextlib.suppress(WireError):
        told = unpack_data(data)
        assert unpack_data(pack_data(told)).keys() == told.keys()


def sdp(data: bytes) -> None:
    """An offer; aiortc's parser takes what is passed on."""
    text = data.decode(errors="replace")
    with contextlib.suppress(UnusableOffer):
        check_offer(text)
        offered = read_offer(PageCandidates(("10.0.0.1",)).from_offer(text), ("h264", "vp8"))
        SessionDescription.parse(offered.text)


def candidates(data: bytes) -> None:
    """A trickled fragment (RFC 8840), and an ICE restart in it (RFC 9725)."""
    text = data.decode(errors="replace")
    with contextlib.suppress(UnusableCandidates):
        PageCandidates(("10.0.0.1",)).from_fragment(text, {"0", "1"})
    with contextlib.suppress(UnusableCandidates):
        if (found := credentials_in(text)) is not None:
            assert name_in(text) == found[0]


def json_body(data: bytes) -> None:
    """The bodies and queries of HTTP calls, from where they are JSON on."""
    text = data.decode(errors="replace")
    with contextlib.suppress(MalformedRequest):
        change_from_query(text[:8], text, "closed")
    try:
        body: Any = json.loads(data)
    except (ValueError, RecursionError):
        return
    for model in (Offer, Change):
        with contextlib.suppress(MalformedRequest):
            json.dumps(parsed(model, body).model_dump(mode="json"))


def control_message(data: bytes) -> None:
    """A text on the control channel."""
    with contextlib.suppress(MalformedRequest):
        parse_control(data.decode(errors="replace"))


def _payload(codec: str, data: bytes) -> None:
    try:
        frame = _DEPAYLOAD[codec](data)
    except ValueError:
        return  # aiortc drops the packet.
    marks(codec, data, frame)
    with contextlib.suppress(UnreadableSize):
        for size in sizes_of(codec, frame):
            assert size.width >= 0
            assert size.height >= 0


def vp8_payload(data: bytes) -> None:
    """An RTP payload of VP8 (RFC 7741)."""
    _payload("VP8", data)


def h264_payload(data: bytes) -> None:
    """An RTP payload of H264 (RFC 6184)."""
    _payload("H264", data)


def rtp_head(data: bytes) -> None:
    """The header of a camera's packet, which reads as aiortc's parser reads it."""
    head = head_of(data, Form(ssrc=1, payload_type=96, send_time_id=2, transport_number_id=4))
    if head is None:
        return
    with contextlib.suppress(ValueError):
        packet = RtpPacket.parse(data, extension_ids())
        said = packet.sequence_number, packet.timestamp, bool(packet.marker), packet.payload
        assert said == (head.sequence_number, head.timestamp, head.marker, data[head.payload_at :])
        assert packet.extensions.abs_send_time == head.send_time
        assert packet.extensions.transport_sequence_number == head.transport_number


def feedback(data: bytes) -> None:
    """Compound RTCP with transport-wide feedback, of packets that were sent."""
    estimate = PathEstimate(1e6, 3e5)
    for number in range(100):
        estimate.note_sent(number, 1200, number / 1000)
    control = TransportWide(estimate)
    control.on_report = lambda arrivals, now_s: estimate.note_report(arrivals, 0.3, 2e6)
    control.take_rtcp(data)
    assert 3e5 <= estimate.bits_per_s <= 2e6


TARGETS: dict[str, Target] = {
    "wire_frame": wire_frame,
    "wire_result": wire_result,
    "wire_data": wire_data,
    "wire_status": wire_status,
    "sdp": sdp,
    "candidates": candidates,
    "json_body": json_body,
    "control_message": control_message,
    "vp8_payload": vp8_payload,
    "h264_payload": h264_payload,
    "feedback": feedback,
    "rtp_head": rtp_head,
    "rtp_and_rtcp": hear,
    "sctp": sctp,
    "datagram": datagram,
    "tcp_stream": tcp_stream,
    "headers": headers,
    "token": token,
    "claims": claims,
    "jwks": jwks,
    "endpoint": endpoint,
    "own_picture": own_picture,
    "parameters": parameters,
}
