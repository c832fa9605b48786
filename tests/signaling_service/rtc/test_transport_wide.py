from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import (
    RTCP_RTPFB,
    HeaderExtensions,
    RtcpByePacket,
    RtcpPacket,
    RtpPacket,
    pack_rtcp_packet,
    unpack_header_extensions,
)

from signaling_service.media.arrivals_log import ArrivalsLog
from signaling_service.media.bitrate import BitrateProfile
from signaling_service.media.path_estimate import PathEstimate
from signaling_service.media.receive_ceiling import ReceiveCeiling
from signaling_service.media.reception import Reception
from signaling_service.media.send_rate import SendRate
from signaling_service.media.transport_feedback import FORMAT, URI, Arrivals, pack
from signaling_service.metrics import Metrics
from signaling_service.rtc import aiortc_patches
from signaling_service.rtc.card import Card
from signaling_service.rtc.outage import Outage
from signaling_service.rtc.packets import Arriving, Leaving
from signaling_service.rtc.receiving import receive_through
from signaling_service.rtc.returned_track import ReturnedTrack
from signaling_service.rtc.sending import send_at
from signaling_service.rtc.transport_wide import TransportWide, decline, is_agreed
from signaling_service.sdp.written_offer import PLAYOUT_DELAY_URI
from signaling_service.sockets.own_port import OwnPorts
from tests.signaling_service.calling import until


def report_of(*arrivals: tuple[int, float]) -> bytes:
    payload = struct.pack("!LL", 1, 2) + pack(arrivals, 0)
    return pack_rtcp_packet(RTCP_RTPFB, FORMAT, payload)


def a_control() -> tuple[TransportWide, list[Arrivals]]:
    control, heard = TransportWide(PathEstimate(1e6, 3e5)), []
    control.on_report = lambda arrivals, now_s: heard.append(arrivals)
    return control, heard


def test_reports_are_taken_out_of_a_compound_and_the_rest_is_as_it_was() -> None:
    control, heard = a_control()
    bye, other = bytes(RtcpByePacket(sources=[7])), bytes(RtcpByePacket(sources=[8, 9]))
    assert control.take_rtcp(bye + report_of((5, 1.0)) + other + report_of((6, 1.1))) == bye + other
    assert [[number for number, _ in arrivals] for arrivals in heard] == [[5], [6]]
    assert control.take_rtcp(report_of((7, 1.2))) == b""
    assert RtcpPacket.parse(control.take_rtcp(bye)) == RtcpPacket.parse(bye)


def test_few_reports_of_a_datagram_are_read() -> None:
    control, heard = a_control()
    other = bytes(RtcpByePacket(sources=[7]))
    many = b"".join(report_of((number, 1.0)) for number in range(50))
    assert control.take_rtcp(many + other) == other
    assert [[number for number, _ in arrivals] for arrivals in heard] == [[0], [1], [2], [3]]


def test_a_report_cut_anywhere_harms_nothing() -> None:
    control, heard = a_control()
    whole = report_of((65535, 1.0), (65537, 1.2))
    for size in range(len(whole)):
        control.take_rtcp(whole[:size])
    assert all(number in (65535, 0, 1) for arrivals in heard for number, _ in arrivals)


def test_a_picture_of_usual_size_does_not_wait_and_a_large_one_does() -> None:
    control, _ = a_control()
    for _ in range(4):
        assert control.wait_s() == 0
        control.note_sent(control.give(), 1200)
    for _ in range(20):
        control.note_sent(control.give(), 1200)
    assert 0.01 < control.wait_s() < 0.2
    control.is_repeating = True
    assert control.wait_s() == 0


def written(*uris: str) -> list[tuple[int, bytes]]:
    """Return the extensions of the first packet, of a sender whose page has agreed to these, from id 3 on."""
    control, _ = a_control()
    sender: Any = SimpleNamespace()
    control.number(sender)
    numbering = sender._RTCRtpSender__rtp_header_extensions_map
    agreed = [RTCRtpHeaderExtensionParameters(id=3 + place, uri=uri) for place, uri in enumerate(uris)]
    numbering.configure(RTCRtpParameters(headerExtensions=agreed))
    return unpack_header_extensions(*numbering.set(HeaderExtensions()))


def test_pictures_are_to_be_shown_at_once_where_the_page_can_be_told() -> None:
    assert written(URI, PLAYOUT_DELAY_URI) == [(3, b"\0\0"), (4, b"\0\0\0")]
    assert written(URI) == [(3, b"\0\0")]


def extensions_of(packet: bytes) -> list[tuple[int, bytes]]:
    profile, words = struct.unpack_from("!HH", packet, 12)
    return unpack_header_extensions(profile, packet[16 : 16 + 4 * words])


class Pair:
    """`ours` sends with all of our parts; `theirs` reports as a browser does."""

    def __init__(self) -> None:
        aiortc_patches.apply(["127.0.0.1"])
        aiortc_patches.bind_ice(OwnPorts())
        self.ours, self.theirs = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
        self.control, self.heard = a_control()
        self.track = VideoStreamTrack()
        self.answer = ""
        self.sent: list[bytes] = []
        """Packets of RTP, before they were encrypted."""

    async def connect(self) -> None:
        self.theirs.addTransceiver("video", "recvonly")
        receiver = self.theirs.getReceivers()[0]
        receive_through(receiver, Reception(ReceiveCeiling(BitrateProfile())), log=ArrivalsLog())
        await self.theirs.setLocalDescription(await self.theirs.createOffer())
        self.ours.addTrack(self.track)
        await self.ours.setRemoteDescription(self.theirs.localDescription)
        (video,) = self.ours.getTransceivers()
        assert is_agreed(video)
        returned = ReturnedTrack(Metrics(), Card(), Outage.CLOSED)
        leaving = Leaving(video.sender.transport, self.control)
        rate = SendRate(BitrateProfile().cautious())
        send_at(video.sender, rate, returned, leaving=leaving, control=self.control)
        take = self.control.on_report

        def noting(arrivals: Arrivals, now_s: float) -> None:
            self.heard.append(arrivals)
            take(arrivals, now_s)

        self.control.on_report = noting
        send = leaving._send

        def noting_packets(packet: bytes, *, is_control: bool) -> None:
            if not is_control:
                self.sent.append(packet)
            send(packet, is_control=is_control)

        leaving._send = noting_packets  # type: ignore[method-assign]
        leaving.take_over()
        Arriving(video.receiver.transport, self.control).take_over()
        await self.ours.setLocalDescription(await self.ours.createAnswer())
        self.answer = self.ours.localDescription.sdp
        await self.theirs.setRemoteDescription(self.ours.localDescription)

    @property
    def told(self) -> list[int]:
        """Numbers of packets that came, in the order of the reports."""
        return [number for arrivals in self.heard for number, at_s in arrivals if at_s is not None]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    one = Pair()
    await one.connect()
    yield one
    await one.ours.close()
    await one.theirs.close()


async def test_the_answer_has_it_and_each_packet_is_reported_once_a_repeat_too(pair: Pair) -> None:
    assert URI in pair.answer
    assert PLAYOUT_DELAY_URI in pair.answer
    assert "transport-cc" in pair.answer
    await until(lambda: len(pair.told) >= 10)
    sender: Any = pair.ours.getSenders()[0]
    history = sender._RTCRtpSender__rtp_history
    place, count = max(history), len(pair.sent)
    kept = history[place]
    await sender._retransmit(kept.sequence_number)
    await sender._retransmit(kept.sequence_number)
    known = sender._RTCRtpSender__rtp_header_extensions_map
    first_sent, *again = [RtpPacket.parse(data, known) for data in (pair.sent[0], *pair.sent[count:])]
    repeats = [one for one in again if one.ssrc == sender._rtx_ssrc]
    # In front of what is sent again stands its number (RFC 4588 section 4).
    assert [one.payload for one in repeats] == 2 * [kept.sequence_number.to_bytes(2, "big") + kept.payload]
    for one in (first_sent, *repeats):
        assert one.extensions.mid == "0"
        assert one.extensions.abs_send_time
        playout_delay_id = known.playout_delay_id
        assert (playout_delay_id, bytes(3)) in extensions_of(pair.sent[count if one in repeats else 0])
    before = len(pair.told)
    await until(lambda: len(pair.told) >= before + 10)
    first = pair.told[0]  # What is sent before the page has its keys comes to nobody.
    assert pair.told == list(range(first, first + len(pair.told)))
    assert pair.control.estimate.queue_s < 1


@pytest.mark.parametrize("left_out", [URI, "transport-cc"])
async def test_a_page_that_offers_half_of_it_has_not_agreed(left_out: str) -> None:
    aiortc_patches.apply(["127.0.0.1"])
    ours, theirs = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    try:
        theirs.addTransceiver("video")
        offer = (await theirs.createOffer()).sdp.split("\r\n")
        sdp = "\r\n".join(line for line in offer if left_out not in line)
        await ours.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        assert not is_agreed(ours.getTransceivers()[0])
    finally:
        await ours.close()
        await theirs.close()


async def test_what_is_declined_is_not_in_the_answer() -> None:
    aiortc_patches.apply(["127.0.0.1"])
    ours, theirs = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    try:
        theirs.addTransceiver("video")
        await ours.setRemoteDescription(await theirs.createOffer())
        decline(ours.getTransceivers()[0])
        answer = (await ours.createAnswer()).sdp
        assert URI not in answer
        assert PLAYOUT_DELAY_URI not in answer
        assert "transport-cc" not in answer
        assert "goog-remb" in answer
    finally:
        await ours.close()
        await theirs.close()
