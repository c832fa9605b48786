"""Good input for each target, of which fuzzers make bad input; the offer is one of Chromium's, shortened."""

from __future__ import annotations

import functools
import io
import json
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aioice import stun
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    RTCP_RTPFB,
    RTCP_RTPFB_NACK,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtpPacket,
    pack_remb_fci,
    pack_rtcp_packet,
)
from PIL import Image

from shared.frame import i420_size_bytes
from shared.wire import FrameHeader, pack_frame, pack_result, pack_status, params_id
from shared.wire.data import Box, Data, pack_data
from signaling_service.media.transport_feedback import FORMAT, pack
from signaling_service.sockets.framing import framed
from tests.fuzz import channels, sockets
from tests.fuzz.media import SENDER_SSRC, extension_ids, packed
from tests.signaling_service.access.minting import minted, public_jwk
from tests.signaling_service.making import SESSION, result, status

OFFER = """v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=msid-semantic: WMS stream
m=video 9 UDP/TLS/RTP/SAVPF 96 97 98
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2122260223 192.0.2.7 50001 typ host generation 0 network-id 1
a=candidate:2 1 udp 2113937151 6b6c5d1e-4d7c-4e1d-9c38-0123456789ab.local 50000 typ host
a=ice-ufrag:abcd
a=ice-pwd:0123456789abcdef01234567
a=ice-options:trickle
a=fingerprint:sha-256 {fingerprint}
a=setup:actpass
a=mid:0
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=sendrecv
a=msid:stream track
a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:98 H264/90000
a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=ssrc-group:FID 111 222
a=ssrc:111 cname:name
a=ssrc:222 cname:name
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:abcd
a=ice-pwd:0123456789abcdef01234567
a=fingerprint:sha-256 {fingerprint}
a=setup:actpass
a=mid:1
a=sctp-port:5000
""".format(fingerprint=":".join(["AB"] * 32)).replace("\n", "\r\n")
FRAGMENT = (
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n"
    "a=candidate:2 1 udp 2113937151 192.0.2.7 50001 typ srflx raddr 10.0.0.7 rport 5 generation 0\r\n"
    "a=end-of-candidates\r\n"
)
_WIDTH, _HEIGHT = 32, 16


@functools.cache
def seeds(target: str) -> list[bytes]:
    """Return good inputs of a target of `targets.TARGETS`."""
    planes = bytes(i420_size_bytes(_WIDTH, _HEIGHT))
    made: dict[str, Any] = {
        "wire_frame": lambda: [pack_frame(_frame_header(), planes)],
        "wire_data": lambda: [pack_data({"detection": Data(boxes=[Box(0.1, 0.2, 0.3, 0.4, "cup", 0.5)])})],
        "wire_result": lambda: [pack_result(result(), planes)],
        "wire_status": lambda: [pack_status(status())],
        "sdp": lambda: [OFFER.encode()],
        "candidates": lambda: [FRAGMENT.encode()],
        "json_body": lambda: [
            b'{"type": "offer", "sdp": "v=0", "filter": ["ink", "a"], "params": {"ink": {"strength": 0.5}}}',
            b'{"filter": "ink", "params": {"strength": 1e3, "names": ["#f", null, true]}, "outage": "open"}',
        ],
        "feedback": lambda: [_feedback(), bytes(RtcpByePacket(sources=[7])) + _feedback()],
        "control_message": lambda: [
            b'{"type": "filter", "name": "ink", "params": {"strength": 0.5}, "outage": "closed"}',
            b'{"type": "filter", "name": ["ink", "invert"]}',
        ],
        "vp8_payload": lambda: _payloads(Vp8Encoder()),
        "h264_payload": lambda: _payloads(H264Encoder()),
        "rtp_head": _media,
        "rtp_and_rtcp": _packets,
        "sctp": channels.good,
        "datagram": lambda: [_check(), b"\x80\x60" + bytes(12)],
        "tcp_stream": _streams,
        "headers": lambda: [
            b"https://meet.example\ncam.example:7860\ngzip;q=0.5, br\n/cam\n192.0.2.7, 2001:db8::1\nhttps",
            b"chrome-extension://abc\n[::1]:80\n*\n/a/b\n::ffff:10.0.0.1\nwss",
        ],
        "token": lambda: [minted().encode(), minted(kid="one", aud="p2pcamera").encode()],
        "claims": lambda: [
            b'{"sub": "anna", "exp": 4000000000, "filters": ["ink"], "origins": ["https://meet.example"], '
            b'"max_sessions": 2, "max_session_s": 60.5, "max_width": 640, "publish": ["*"], "aud": "a"}',
            b'{"sub": "anna", "exp": 4000000000, "nbf": 1.5, "iat": 1e3, "watch": [], "aud": ["p2pcamera"]}',
        ],
        "jwks": lambda: [
            json.dumps({"keys": [public_jwk(kind, kid=kind) for kind in ("ec", "ed25519", "rsa")]}).encode(),
        ],
        "endpoint": lambda: [b"tcp://10.0.0.1:5000", b"tcp://[::1]:*", b"ipc:///run/worker-1.ipc"],
        "own_picture": lambda: [_picture(kind) for kind in ("JPEG", "PNG", "WEBP")],
        "parameters": lambda: [
            b'{"mode": "picture", "colour": "#2b3a4a", "picture": "data:image/png;base64,AAAA", "blur": 0.5}',
            b'{"strength": 0.5, "prompt": "a drawing", "light": {"x": 1}, "names": ["a"], "seed": 7}',
        ],
    }
    found: list[bytes] = made[target]()
    return found


def _frame_header() -> FrameHeader:
    params = {"strength": 0.5, "names": ["a"]}
    return FrameHeader(
        session=SESSION,
        reply_to="ipc:///run/results.ipc",
        sequence=7,
        generation=1,
        pts=3000,
        captured_ns=1,
        width=_WIDTH,
        height=_HEIGHT,
        filters=("ink",),
        params_id=params_id(params),
        params=params,
    )


def _payloads(encoder: Any) -> list[bytes]:
    """Payloads of a key frame and of the next one; the picture is noise, which takes several packets."""
    random = np.random.default_rng(1)
    found = []
    for count in range(2):
        planes = random.integers(16, 235, (96 * 3 // 2, 128), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = count * 3000, Fraction(1, 90_000)
        payloads, _ = encoder.encode(frame, force_keyframe=count == 0)
        found += payloads
    return found


def _feedback() -> bytes:
    arrivals = [(number, 50 + number / 100) for number in range(0, 100, 3)]
    return pack_rtcp_packet(RTCP_RTPFB, FORMAT, bytes(8) + pack(arrivals, 1))


def _packets() -> list[bytes]:
    report = RtcpReceiverInfo(
        ssrc=SENDER_SSRC, fraction_lost=9, packets_lost=3, highest_sequence=70, jitter=5, lsr=0, dlsr=0
    )
    rtcp = [
        bytes(RtcpRrPacket(ssrc=1, reports=[report])),
        bytes(RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=SENDER_SSRC, lost=[1, 2, 30])),
        bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=SENDER_SSRC)),
        bytes(
            RtcpPsfbPacket(
                fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=pack_remb_fci(1_000_000, [SENDER_SSRC])
            )
        ),
        bytes(RtcpByePacket(sources=[1])),
    ]
    return [packed(rtcp), packed(_media()), *map(packed, ([one] for one in rtcp))]


def _media() -> list[bytes]:
    media = []
    for payload_type, payloads in ((96, seeds("vp8_payload")), (98, seeds("h264_payload"))):
        for number, payload in enumerate(payloads[:4]):
            packet = RtpPacket(payload_type=payload_type, sequence_number=number, timestamp=3000, ssrc=1)
            packet.payload, packet.marker = payload[:80], int(number == 3)
            packet.extensions.abs_send_time, packet.extensions.mid = number, "0"
            packet.extensions.transport_sequence_number = number
            media.append(packet.serialize(extension_ids()))
    return media


def _picture(kind: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (_WIDTH, _HEIGHT), "teal").save(made, kind)
    return made.getvalue()


def _check() -> bytes:
    check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    check.attributes["USERNAME"] = "service:page"
    check.attributes["PRIORITY"] = 1
    check.attributes["ICE-CONTROLLING"] = 1
    check.add_message_integrity(sockets.PASSWORD.encode())
    return bytes(check)


def _streams() -> list[bytes]:
    said = framed(_check()) + framed(b"\x80media") + framed(b"")
    return [bytes([size]) + said for size in (0, 6, 255)]
