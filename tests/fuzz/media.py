"""RTP and RTCP of one page, as they come out of SRTP, for aiortc's transport with this service's parts."""

from __future__ import annotations

import asyncio
import functools
import struct
import traceback
from types import SimpleNamespace
from typing import Any

from aiortc import RTCCertificate, RTCIceGatherer, RTCIceTransport, RTCRtpReceiver, RTCRtpSender, rtp
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpParameters,
    RTCRtpReceiveParameters,
)
from aiortc.rtp import HeaderExtensionsMap, RtcpReceiverInfo, RtcpRrPacket, is_rtcp

from signaling_service.media.bitrate import BitrateProfile
from signaling_service.media.receive_estimate import ReceiveEstimate
from signaling_service.media.reception import Reception
from signaling_service.media.send_rate import SendRate
from signaling_service.media.transport_feedback import URI
from signaling_service.rtc import aiortc_patches
from signaling_service.rtc.receiving import receive_through
from signaling_service.rtc.sending import send_at

SENDER_SSRC = 0x01020304
_LENGTH = struct.Struct("!H")
_CODECS = [
    RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=96),
    RTCRtpCodecParameters(mimeType="video/rtx", clockRate=90_000, payloadType=97, parameters={"apt": 96}),
    RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=98),
]
EXTENSIONS = [
    RTCRtpHeaderExtensionParameters(id=1, uri="urn:ietf:params:rtp-hdrext:sdes:mid"),
    RTCRtpHeaderExtensionParameters(id=2, uri="http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    RTCRtpHeaderExtensionParameters(id=4, uri=URI),
]


def packed(packets: list[bytes]) -> bytes:
    """Return datagrams as one input of `hear`: a length of 16 bits before each."""
    return b"".join(_LENGTH.pack(len(one)) + one for one in packets)


def unpacked(data: bytes) -> list[bytes]:
    """Return the datagrams of an input; the last one may be cut off."""
    packets = []
    while len(data) >= _LENGTH.size:
        end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
        packets.append(data[_LENGTH.size : end])
        data = data[end:]
    return packets


@functools.cache
def extension_ids() -> Any:
    """Return aiortc's table of EXTENSIONS."""
    ids = HeaderExtensionsMap()
    ids.configure(RTCRtpParameters(headerExtensions=EXTENSIONS))
    return ids


def hear(data: bytes) -> None:
    """Feed the datagrams of an input; afterwards a report of the page must still be heard."""
    loop().run_until_complete(_hear(unpacked(data)))


@functools.cache
def loop() -> asyncio.AbstractEventLoop:
    aiortc_patches.apply(["127.0.0.1"])
    return asyncio.new_event_loop()


@functools.cache
def certificate() -> RTCCertificate:
    return RTCCertificate.generateCertificate()


async def _hear(packets: list[bytes]) -> None:
    transport = RTCDtlsTransport(RTCIceTransport(RTCIceGatherer(iceServers=[])), [certificate()])
    rate = _sending(transport)
    receiver = _receiving(transport)
    for packet in packets:
        handle: Any = transport._handle_rtcp_data
        if not is_rtcp(packet):
            handle = functools.partial(transport._handle_rtp_data, arrival_time_ms=0)
        try:
            await _unguarded(handle)(transport, packet)
        except Exception as exc:
            if not _is_of_the_parser(exc):
                raise
            # What rtc/unreadable.py is for: the same again must pass by.
            await handle(packet)
    heard = len(rate.heard)
    report = RtcpReceiverInfo(
        ssrc=SENDER_SSRC, fraction_lost=0, packets_lost=0, highest_sequence=0, jitter=0, lsr=0, dlsr=0
    )
    await transport._handle_rtcp_data(bytes(RtcpRrPacket(ssrc=1, reports=[report])))
    assert len(rate.heard) == heard + 1, "the transport is deaf"
    # No decoder ran, so nothing waits for one.
    assert receiver._RTCRtpReceiver__decoder_thread is None


def _unguarded(handle: Any) -> Any:
    """Return the method without what keeps its exceptions from ending a call, which would hide ours."""
    if isinstance(handle, functools.partial):
        return functools.partial(_unguarded(handle.func), **handle.keywords)
    return handle.__func__.original


def _is_of_the_parser(exc: BaseException) -> bool:
    """Tell whether aiortc's own reading of packets has raised it."""
    last = [frame.filename for frame in traceback.extract_tb(exc.__traceback__)][-1]
    return last == rtp.__file__


class _Rate(SendRate):
    """Notes the reports that arrived."""

    def __init__(self) -> None:
        super().__init__(BitrateProfile())
        self.heard: list[int] = []

    def note_loss(self, packets_lost: int, highest_sequence: int, now_s: float) -> None:
        self.heard.append(packets_lost)
        super().note_loss(packets_lost, highest_sequence, now_s)


def _sending(transport: RTCDtlsTransport) -> _Rate:
    sender: Any = RTCRtpSender("video", transport)
    sender._ssrc = SENDER_SSRC
    rate = _Rate()
    track: Any = SimpleNamespace(repeat=lambda: None)
    send_at(sender, rate, track)
    transport._rtp_router.register_sender(sender, ssrc=SENDER_SSRC)
    return rate


def _receiving(transport: RTCDtlsTransport) -> Any:
    receiver: Any = RTCRtpReceiver("video", transport)
    receiver._RTCRtpReceiver__codecs = {codec.payloadType: codec for codec in _CODECS}
    receive_through(receiver, Reception(ReceiveEstimate(BitrateProfile())))
    parameters = RTCRtpReceiveParameters(codecs=_CODECS, headerExtensions=EXTENSIONS, muxId="0")
    transport._register_rtp_receiver(receiver, parameters)
    return receiver
