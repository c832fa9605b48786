"""How one session's sender in aiortc gets this service's parts; any other keeps its own.

aiortc has no seams here, so private names are set on the object (known_aiortc.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import av
from aiortc import RTCRtpSender, codecs
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTP_HISTORY_SIZE,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpSrPacket,
    unpack_remb_fci,
)

from signaling_service.media.picture_scale import FULL_FPS, PictureScale
from signaling_service.media.repeats import Repeats
from signaling_service.media.send_rate import SendRate
from signaling_service.media.transport_feedback import Arrivals
from signaling_service.rtc.packets import Leaving
from signaling_service.rtc.picture_packets import PicturePackets, SentPacket
from signaling_service.rtc.returned_track import ReturnedTrack
from signaling_service.rtc.transport_wide import TransportWide

KEY_EVERY_S = 0.3
"""One key frame serves all that is asked within this time. VP8 takes 2.6 times the CPU for it."""
HEADROOM = 1.25
"""The way is sought up to this part of what the picture is worth, so that repeats have room beside it."""


def send_at(
    sender: RTCRtpSender,
    rate: SendRate,
    track: ReturnedTrack,
    on_encoded: Callable[[float], None] = lambda _: None,
    leaving: Leaving | None = None,
    control: TransportWide | None = None,
) -> None:
    """Let `rate` alone set the encoder's bitrate; tell `track` when a key frame is asked for.

    `on_encoded` is told of each frame how many seconds it took, the wait for an encoder's thread included.
    No picture is taken from the track while `leaving` has no room for it. `control` knows the way to the
    page, where the page reports on it.
    """
    Sending(sender, rate, track, on_encoded, leaving, control).take_over()


class Sending:
    """Stands between one sender, its encoder and the page's reports."""

    def __init__(
        self,
        sender: RTCRtpSender,
        rate: SendRate,
        track: ReturnedTrack,
        on_encoded: Callable[[float], None],
        leaving: Leaving | None,
        control: TransportWide | None,
    ) -> None:
        of: Any = sender
        self._sender = of
        self._rate = rate
        self._track = track
        self._on_encoded = on_encoded
        self._leaving = leaving
        self._control = control
        self._handle = of._handle_rtcp_packet
        self._next_encoded_frame = of._next_encoded_frame
        self._retransmit = of._retransmit
        self._repeats = Repeats()
        self._is_key_wanted = False
        self._key_s = float("-inf")
        """When the page was last given a key frame that it had asked for."""
        self._scale = PictureScale()
        self._begun_s = 0.0
        self._encoded: int | None = None
        """Timestamp of the last frame that was sent, without the sender's random origin."""
        self._origin: int | None = None

    def take_over(self) -> None:
        """Set our parts in the sender, and what the track needs of it in the track."""
        self._sender._handle_rtcp_packet = self._handle_rtcp_packet
        self._sender._next_encoded_frame = self._encode_next
        self._sender._retransmit = self._repeat
        if self._leaving is not None:
            PicturePackets(self._sender, self._leaving, self._control).take_over()
        self._track.before_encoding = self._before_encoding
        self._track.begin_anew = self._begin_anew
        self._track.forget_older = self._forget_older
        if self._control is not None:
            self._control.number(self._sender)
            self._control.on_report = self._take_report
        self._track.rtp_timestamp_of = self._rtp_timestamp_of

    # What the sender calls

    async def _encode_next(self, codec: Any) -> Any:
        # aiortc makes the encoder when the first frame is there, and encodes at once.
        if self._sender._RTCRtpSender__encoder is None:
            self._sender._RTCRtpSender__encoder = codecs.get_encoder(codec)
        # The track gives its newest picture when it is asked: what waited for room would be an old one.
        if self._leaving is not None:
            await self._wait_for_room(self._leaving)
        encoded = await self._next_encoded_frame(codec)
        if encoded is not None:
            self._encoded = encoded.timestamp if encoded.payloads else None
            self._on_encoded(time.monotonic() - self._begun_s)
        return encoded

    async def _wait_for_room(self, leaving: Leaving) -> None:
        since_s = time.monotonic()
        if await leaving.room():
            self._sender._send_keyframe()
        if self._control is not None:
            now_s = time.monotonic()
            if self._control.estimate.note_full(now_s - since_s, now_s):
                self._follow_estimate(now_s)
                self._set_target()

    async def _repeat(self, sequence_number: int) -> None:
        packet = self._sender._RTCRtpSender__rtp_history.get(sequence_number % RTP_HISTORY_SIZE)
        if packet is None or packet.sequence_number != sequence_number:
            return
        if not self._repeats.allows(len(packet.payload), self._rate.target, time.monotonic()):
            return
        if isinstance(packet, SentPacket):
            packet = packet.whole(self._sender._RTCRtpSender__mid)
            self._sender._RTCRtpSender__rtp_history[sequence_number % RTP_HISTORY_SIZE] = packet
        if self._control is None:
            await self._retransmit(sequence_number)
            return
        self._control.is_repeating = True
        try:
            await self._retransmit(sequence_number)
        finally:
            self._control.is_repeating = False

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        now_s = time.monotonic()
        ssrc = self._sender._ssrc
        self._rate.note_sent(self._sender._RTCRtpSender__octet_count, now_s)
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            self._note_remb(packet, now_s)
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR):
            self._is_key_wanted = True
            self._track.repeat()
        else:
            await self._handle(packet)
        if isinstance(packet, (RtcpRrPacket, RtcpSrPacket)):
            for report in packet.reports:
                if report.ssrc == ssrc:
                    self._rate.note_loss(report.packets_lost, report.highest_sequence, now_s)
        self._set_target()

    # What the transport calls

    def _take_report(self, arrivals: Arrivals, now_s: float) -> None:
        assert self._control is not None
        self._control.estimate.note_report(arrivals, now_s, HEADROOM * self._rate.most)
        self._follow_estimate(now_s)

    def _follow_estimate(self, now_s: float) -> None:
        assert self._control is not None
        self._rate.note_estimate(self._control.estimate.bits_per_s - self._repeats.bits_per_s(now_s))
        self._set_target()

    # What the track calls

    def _before_encoding(self, frame: av.VideoFrame) -> None:
        self._begun_s = time.monotonic()
        if self._is_key_wanted and self._begun_s - self._key_s >= KEY_EVERY_S:
            self._is_key_wanted, self._key_s = False, self._begun_s
            self._sender._send_keyframe()
        self._rate.note_size(frame.width, frame.height)
        self._set_target()
        encoder = self._sender._RTCRtpSender__encoder
        if encoder is not None:
            encoder.size = self._scale.size(frame.width, frame.height, self._rate.target, self._begun_s)
            encoder.fps = self._scale.fps
            encoder.most_bits_per_s = self._scale.most_bits_per_s
            self._track.pace.fps = None if encoder.fps == FULL_FPS else encoder.fps

    def _rtp_timestamp_of(self, pts: int) -> int | None:
        if self._origin is None and self._encoded is not None:
            # The frame before this one has been sent: aiortc encodes one after the other.
            self._origin = self._sender._RTCRtpSender__rtp_timestamp - self._encoded
        return None if self._origin is None else (self._origin + pts) % (1 << 32)

    def _begin_anew(self) -> None:
        # What still waits is of an older choice. On a way that takes nothing it would come after the answer.
        if self._leaving is not None and self._leaving.drop_pictures():
            self._sender._RTCRtpSender__rtp_history.clear()
        self._sender._send_keyframe()

    def _forget_older(self) -> int:
        # A packet of an older frame that the page misses would be sent again, and the page would show that
        # frame, late.
        history = self._sender._RTCRtpSender__rtp_history
        newest: int = self._sender._RTCRtpSender__rtp_timestamp
        for place in [place for place, packet in history.items() if packet.timestamp != newest]:
            del history[place]
        return newest

    def _set_target(self) -> None:
        encoder = self._sender._RTCRtpSender__encoder
        if getattr(encoder, "target_bitrate", self._rate.target) != self._rate.target:
            encoder.target_bitrate = self._rate.target

    def _note_remb(self, packet: RtcpPsfbPacket, now_s: float) -> None:
        try:
            bits_per_s, ssrcs = unpack_remb_fci(packet.fci)
        except ValueError:
            return  # Another application's feedback.
        if self._sender._ssrc in ssrcs:
            self._rate.note_remb(bits_per_s, now_s)
