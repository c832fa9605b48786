"""How one session's receiver and sender in aiortc are given this service's ways; any other keeps its own.

aiortc has no seams here, so private names are set on the two objects. Where aiortc is not the version that
this was written for (aiortc_patches.is_known), they stay as they are.
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
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpSrPacket,
    RtpPacket,
    pack_remb_fci,
    unpack_remb_fci,
)

from signaling_service.media.jitter_buffer import EncodedFrame, Packet
from signaling_service.media.payloads import marks
from signaling_service.media.reception import Reception, Replies
from signaling_service.media.send_rate import SendRate
from signaling_service.rtc.returned_track import ReturnedTrack


def receive_through(
    receiver: RTCRtpReceiver, reception: Reception, on_frame: Callable[[int], None] = lambda _: None
) -> None:
    """Put `reception` in the place of aiortc's jitter buffer, its NACKs, its PLIs and its estimate.

    `on_frame` is told the pts of each frame that goes to the decoder.
    """
    of: Any = receiver
    known = of._RTCRtpReceiver__codecs
    decoder_error = of._RTCRtpReceiver__decoder_error
    handle = of._handle_rtp_packet
    media_ssrc = 0

    def decode(frame: EncodedFrame) -> None:
        if of._RTCRtpReceiver__decoder_thread is not None:
            on_frame(frame.timestamp)
            of._RTCRtpReceiver__decoder_queue.put((known[frame.payload_type], frame))

    async def report_estimate(bits_per_s: int) -> None:
        if (ssrc := of._RTCRtpReceiver__rtcp_ssrc) is not None:
            fci = pack_remb_fci(bits_per_s, [media_ssrc])
            await of._send_rtcp(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=ssrc, media_ssrc=0, fci=fci))

    replies = Replies(
        decode=decode,
        ask_for_packets=lambda numbers: of._send_rtcp_nack(media_ssrc, numbers),
        ask_for_key_frame=lambda: of._send_rtcp_pli(media_ssrc),
        report_estimate=report_estimate,
    )

    async def handle_rtp_packet(packet: RtpPacket, arrival_time_ms: int) -> None:
        nonlocal media_ssrc
        codec = known.get(packet.payload_type)
        if codec is None:
            return
        is_copy = codecs.is_rtx(codec)
        if not is_copy:
            media_ssrc = packet.ssrc
        number = None if is_copy else packet.sequence_number
        size_bytes = len(packet.payload) + packet.padding_size
        reception.hear(packet.extensions.abs_send_time, number, size_bytes)
        # aiortc would ask for a key frame by itself, however often the decoder fails.
        decoder_failed = decoder_error.is_set()
        decoder_error.clear()
        await handle(packet, arrival_time_ms)
        await reception.reply(replies, decoder_failed=decoder_failed)

    of._RTCRtpReceiver__jitter_buffer = _Intake(reception, known)
    of._RTCRtpReceiver__nack_generator = None
    of._RTCRtpReceiver__remote_bitrate_estimator = None
    of._handle_rtp_packet = handle_rtp_packet


class _Intake:
    """What aiortc takes for its jitter buffer: it has undone RTX and found what is for the decoder."""

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


def send_at(
    sender: RTCRtpSender,
    rate: SendRate,
    track: ReturnedTrack,
    on_encoded: Callable[[float], None] = lambda _: None,
) -> None:
    """Let `rate` alone set the encoder's bitrate; tell `track` when a key frame is asked for.

    `on_encoded` is told of each frame how many seconds it took, the wait for an encoder's thread included.
    """
    of: Any = sender
    begun_s = 0.0
    handle, next_encoded_frame = of._handle_rtcp_packet, of._next_encoded_frame

    def set_target() -> None:
        encoder = of._RTCRtpSender__encoder
        if getattr(encoder, "target_bitrate", rate.target) != rate.target:
            encoder.target_bitrate = rate.target

    def before_encoding(frame: av.VideoFrame) -> None:
        nonlocal begun_s
        begun_s = time.monotonic()
        rate.note_size(frame.width, frame.height)
        set_target()

    async def with_encoder(codec: Any) -> Any:
        # aiortc makes it when the first frame is there, and encodes at once.
        if of._RTCRtpSender__encoder is None:
            of._RTCRtpSender__encoder = codecs.get_encoder(codec)
        encoded = await next_encoded_frame(codec)
        if encoded is not None:
            on_encoded(time.monotonic() - begun_s)
        return encoded

    async def handle_rtcp_packet(packet: AnyRtcpPacket) -> None:
        now_s = time.monotonic()
        rate.note_sent(of._RTCRtpSender__octet_count, now_s)
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            _note_remb(packet, of._ssrc, rate, now_s)
        else:
            await handle(packet)
        if isinstance(packet, (RtcpRrPacket, RtcpSrPacket)):
            for report in packet.reports:
                if report.ssrc == of._ssrc:
                    rate.note_loss(report.packets_lost, report.highest_sequence, now_s)
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR):
            track.repeat()
        set_target()

    def forget_older() -> int:
        # What is missed of an older frame would be sent again, and the page would show that frame, late.
        history = of._RTCRtpSender__rtp_history
        newest: int = of._RTCRtpSender__rtp_timestamp
        for place in [place for place, packet in history.items() if packet.timestamp != newest]:
            del history[place]
        return newest

    of._handle_rtcp_packet = handle_rtcp_packet
    of._next_encoded_frame = with_encoder
    track.before_encoding = before_encoding
    track.begin_anew = of._send_keyframe
    track.forget_older = forget_older


def _note_remb(packet: RtcpPsfbPacket, ssrc: int, rate: SendRate, now_s: float) -> None:
    try:
        bits_per_s, ssrcs = unpack_remb_fci(packet.fci)
    except ValueError:
        return  # Another application's feedback.
    if ssrc in ssrcs:
        rate.note_remb(bits_per_s, now_s)
