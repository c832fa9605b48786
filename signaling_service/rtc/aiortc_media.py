"""How one session's receiver and sender in aiortc get this service's parts; any other keeps its own.

aiortc has no seams here, so private names are set on the two objects (known_aiortc.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import av
from aiortc import RTCRtpReceiver, RTCRtpSender, codecs
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTP_HISTORY_SIZE,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpSrPacket,
    RtpPacket,
    pack_remb_fci,
    unpack_remb_fci,
)

from signaling_service.media.decoder_queue import DecoderQueue
from signaling_service.media.jitter_buffer import EncodedFrame, Packet
from signaling_service.media.payloads import marks
from signaling_service.media.picture_size import LARGEST, Size, UnreadableSize, sizes_of
from signaling_service.media.reception import Reception
from signaling_service.media.repeats import Repeats
from signaling_service.media.send_rate import SendRate
from signaling_service.rtc.returned_track import ReturnedTrack


def receive_through(
    receiver: RTCRtpReceiver,
    reception: Reception,
    on_frame: Callable[[int], None] = lambda _: None,
    largest: Size = LARGEST,
    on_too_large: Callable[[str], None] = lambda _: None,
) -> None:
    """Let `reception` replace aiortc's jitter buffer, its NACKs, its PLIs and its estimate.

    `on_frame` is told the pts of each frame that goes to the decoder. A frame with a picture larger than
    `largest` does not go there, and `on_too_large` is told why.
    """
    Receiving(receiver, reception, on_frame, largest, on_too_large).take_over()


def send_at(
    sender: RTCRtpSender,
    rate: SendRate,
    track: ReturnedTrack,
    on_encoded: Callable[[float], None] = lambda _: None,
) -> None:
    """Let `rate` alone set the encoder's bitrate; tell `track` when a key frame is asked for.

    `on_encoded` is told of each frame how many seconds it took, the wait for an encoder's thread included.
    """
    Sending(sender, rate, track, on_encoded).take_over()


class Receiving:
    """Stands before one receiver's packets; what `reception` replies goes out by that receiver."""

    def __init__(
        self,
        receiver: RTCRtpReceiver,
        reception: Reception,
        on_frame: Callable[[int], None],
        largest: Size,
        on_too_large: Callable[[str], None],
    ) -> None:
        of: Any = receiver
        self._receiver = of
        self._reception = reception
        self._on_frame = on_frame
        self._largest = largest
        self._on_too_large = on_too_large
        self._queue = DecoderQueue()
        self._codecs: dict[int, Any] = of._RTCRtpReceiver__codecs
        self._handle = of._handle_rtp_packet
        self._media_ssrc = 0

    def take_over(self) -> None:
        """Set our parts in the receiver."""
        receiver = self._receiver
        receiver._RTCRtpReceiver__jitter_buffer = _Intake(self._reception, self._codecs)
        receiver._RTCRtpReceiver__nack_generator = None
        receiver._RTCRtpReceiver__remote_bitrate_estimator = None
        receiver._handle_rtp_packet = self._handle_rtp_packet
        receiver._RTCRtpReceiver__decoder_queue = self._queue
        receiver._RTCRtpReceiver__stop_decoder = self._stop_decoder

    # What a Reception calls (reception.Replies)

    def decode(self, frame: EncodedFrame) -> bool:
        if self._receiver._RTCRtpReceiver__decoder_thread is None:
            return True
        codec = self._codecs[frame.payload_type]
        try:
            sizes = sizes_of(codec.name, frame.data)
        except UnreadableSize:
            return False
        for size in sizes:
            if not size.fits(self._largest):
                width, height = self._largest
                self._on_too_large(
                    f"a picture of {size.width}x{size.height}; this service takes up to {width}x{height}"
                )
                return False
        self._on_frame(frame.timestamp)
        return self._queue.put((codec, frame))

    async def ask_for_packets(self, numbers: list[int]) -> None:
        await self._receiver._send_rtcp_nack(self._media_ssrc, numbers)

    async def ask_for_key_frame(self) -> None:
        await self._receiver._send_rtcp_pli(self._media_ssrc)

    async def report_estimate(self, bits_per_s: int) -> None:
        if (ssrc := self._receiver._RTCRtpReceiver__rtcp_ssrc) is not None:
            fci = pack_remb_fci(bits_per_s, [self._media_ssrc])
            await self._receiver._send_rtcp(
                RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=ssrc, media_ssrc=0, fci=fci)
            )

    # What the receiver calls

    def _stop_decoder(self) -> None:
        # Without a join, which would hold up every session until the frame in work is decoded: the thread
        # ends by itself behind that one.
        if self._receiver._RTCRtpReceiver__decoder_thread is not None:
            self._receiver._RTCRtpReceiver__decoder_thread = None
            self._queue.end()

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        codec = self._codecs.get(packet.payload_type)
        if codec is None:
            return
        is_copy = codecs.is_rtx(codec)
        if not is_copy:
            self._media_ssrc = packet.ssrc
        number = None if is_copy else packet.sequence_number
        size_bytes = len(packet.payload) + packet.padding_size
        self._reception.hear(packet.extensions.abs_send_time, number, size_bytes)
        # aiortc would ask for a key frame by itself, however often the decoder fails.
        decoder_error = self._receiver._RTCRtpReceiver__decoder_error
        decoder_failed = decoder_error.is_set()
        decoder_error.clear()
        await self._handle(packet, arrival_time_ms)
        await self._reception.reply(self, decoder_failed=decoder_failed)


class _Intake:
    """Looks to aiortc like its jitter buffer; aiortc has undone RTX and found what is for the decoder."""

    def __init__(self, reception: Reception, known: dict[int, Any]) -> None:
        self._reception = reception
        self._known = known

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        codec = self._known[packet.payload_type]
        data: bytes = packet._data  # type: ignore[attr-defined]
        self._reception.add(
            Packet(
                number=packet.sequence_number,
                timestamp=packet.timestamp,
                marker=bool(packet.marker),
                marks=marks(codec.name, packet.payload, data),
                data=data,
                payload_type=packet.payload_type,
            )
        )
        return False, None


class Sending:
    """Stands between one sender, its encoder and the page's reports."""

    def __init__(
        self, sender: RTCRtpSender, rate: SendRate, track: ReturnedTrack, on_encoded: Callable[[float], None]
    ) -> None:
        of: Any = sender
        self._sender = of
        self._rate = rate
        self._track = track
        self._on_encoded = on_encoded
        self._handle = of._handle_rtcp_packet
        self._next_encoded_frame = of._next_encoded_frame
        self._retransmit = of._retransmit
        self._repeats = Repeats()
        self._begun_s = 0.0

    def take_over(self) -> None:
        """Set our parts in the sender, and what the track needs of it in the track."""
        self._sender._handle_rtcp_packet = self._handle_rtcp_packet
        self._sender._next_encoded_frame = self._encode_next
        self._sender._retransmit = self._repeat
        self._track.before_encoding = self._before_encoding
        self._track.begin_anew = self._sender._send_keyframe
        self._track.forget_older = self._forget_older

    # What the sender calls

    async def _encode_next(self, codec: Any) -> Any:
        # aiortc makes the encoder when the first frame is there, and encodes at once.
        if self._sender._RTCRtpSender__encoder is None:
            self._sender._RTCRtpSender__encoder = codecs.get_encoder(codec)
        encoded = await self._next_encoded_frame(codec)
        if encoded is not None:
            self._on_encoded(time.monotonic() - self._begun_s)
        return encoded

    async def _repeat(self, sequence_number: int) -> None:
        packet = self._sender._RTCRtpSender__rtp_history.get(sequence_number % RTP_HISTORY_SIZE)
        if packet is None or packet.sequence_number != sequence_number:
            return
        if self._repeats.allows(len(packet.payload), self._rate.target, time.monotonic()):
            await self._retransmit(sequence_number)

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        now_s = time.monotonic()
        ssrc = self._sender._ssrc
        self._rate.note_sent(self._sender._RTCRtpSender__octet_count, now_s)
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            self._note_remb(packet, now_s)
        else:
            await self._handle(packet)
        if isinstance(packet, (RtcpRrPacket, RtcpSrPacket)):
            for report in packet.reports:
                if report.ssrc == ssrc:
                    self._rate.note_loss(report.packets_lost, report.highest_sequence, now_s)
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR):
            self._track.repeat()
        self._set_target()

    # What the track calls

    def _before_encoding(self, frame: av.VideoFrame) -> None:
        self._begun_s = time.monotonic()
        self._rate.note_size(frame.width, frame.height)
        self._set_target()

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
