"""How one session's receiver in aiortc gets this service's parts; any other keeps its own.

aiortc has no seams here, so private names are set on the object (known_aiortc.py).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpReceiver, codecs
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_RTPFB,
    RtcpPsfbPacket,
    RtpPacket,
    pack_remb_fci,
    pack_rtcp_packet,
)

from signaling_service.media.arrivals_log import ArrivalsLog
from signaling_service.media.decoder_queue import DecoderQueue
from signaling_service.media.jitter_buffer import EncodedFrame, Packet
from signaling_service.media.payloads import CARRIED, Marks, marks
from signaling_service.media.picture_size import LARGEST, Size, UnreadableSize, sizes_of
from signaling_service.media.reception import Reception
from signaling_service.media.rtp_head import Form, head_of
from signaling_service.media.transport_feedback import FORMAT


def receive_through(
    receiver: RTCRtpReceiver,
    reception: Reception,
    on_frame: Callable[[int], None] = lambda _: None,
    largest: Size = LARGEST,
    on_too_large: Callable[[str], None] = lambda _: None,
    log: ArrivalsLog | None = None,
) -> Receiving:
    """Let `reception` replace aiortc's jitter buffer, its NACKs, its PLIs and its estimate.

    `log`: the page is told when its packets came, by transport-wide feedback.

    `on_frame` is told the pts of each frame that goes to the decoder. A frame with a picture larger than
    `largest` does not go there, and `on_too_large` is told why.
    """
    receiving = Receiving(receiver, reception, on_frame, largest, on_too_large, log)
    receiving.take_over()
    return receiving


class Receiving:
    """Stands before one receiver's packets; what `reception` replies goes out by that receiver.

    A stream's first packet, repeats and whatever is unusual come by aiortc's way. From then on `take` has all
    that are of the same form, and leaves out what of aiortc's way does nothing for them.
    """

    def __init__(
        self,
        receiver: RTCRtpReceiver,
        reception: Reception,
        on_frame: Callable[[int], None],
        largest: Size,
        on_too_large: Callable[[str], None],
        log: ArrivalsLog | None,
    ) -> None:
        of: Any = receiver
        self._receiver = of
        self._reception = reception
        self._on_frame = on_frame
        self._largest = largest
        self._on_too_large = on_too_large
        self._log = log
        self._queue = DecoderQueue()
        self._codecs: dict[int, Any] = of._RTCRtpReceiver__codecs
        self._handle = of._handle_rtp_packet
        self._media_ssrc = 0
        self._form: Form | None = None
        """Of the packets that `take` takes."""
        self._carried: Callable[[bytes], tuple[bytes, Marks]] = CARRIED["H264"]
        self._statistics: Any = None
        """aiortc's, of the stream of this form."""

    def take_over(self) -> None:
        """Set our parts in the receiver."""
        receiver = self._receiver
        receiver._RTCRtpReceiver__jitter_buffer = _Intake(self._reception, self._codecs)
        receiver._RTCRtpReceiver__nack_generator = None
        receiver._RTCRtpReceiver__remote_bitrate_estimator = None
        receiver._handle_rtp_packet = self._handle_rtp_packet
        receiver._RTCRtpReceiver__decoder_queue = self._queue
        receiver._RTCRtpReceiver__stop_decoder = self._stop_decoder

    # What the transport calls (packets.Arriving)

    def take(self, data: bytes, now_s: float) -> bool:
        """Take a decrypted packet; False for one that must go aiortc's way. `reply` after the last one."""
        form = self._form
        if form is None or (head := head_of(data, form)) is None or len(data) == head.payload_at:
            return False
        receiver = self._receiver
        if receiver._RTCRtpReceiver__decoder_thread is None or not receiver._enabled:
            return False
        payload = data[head.payload_at :]
        try:
            data, marks_of_it = self._carried(payload)
        except ValueError:
            return False
        if self._log is not None and head.transport_number is not None:
            self._log.add(head.transport_number, now_s)
        self._reception.hear(head.send_time, head.sequence_number, len(payload), now_s)
        self._statistics.add(head)
        packet = Packet(
            head.sequence_number, head.timestamp, head.marker, marks_of_it, data, form.payload_type
        )
        self._reception.add(packet, now_s)
        return True

    async def reply(self) -> None:
        """Decode what is whole now, and tell the page what it should know."""
        await self._report_arrivals()
        await self._reception.reply(self, decoder_failed=self._take_failure())

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

    async def _report_arrivals(self) -> None:
        log, ssrc = self._log, self._receiver._RTCRtpReceiver__rtcp_ssrc
        if log is not None and ssrc is not None and (report := log.due(time.monotonic())) is not None:
            await self._receiver._send_rtcp(_Feedback(ssrc, self._media_ssrc, report))

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        now_s = time.monotonic()
        if self._log is not None and packet.extensions.transport_sequence_number is not None:
            self._log.add(packet.extensions.transport_sequence_number, now_s)
        await self._report_arrivals()
        codec = self._codecs.get(packet.payload_type)
        if codec is None:
            return
        is_copy = codecs.is_rtx(codec)
        if not is_copy:
            self._media_ssrc = packet.ssrc
        number = None if is_copy else packet.sequence_number
        size_bytes = len(packet.payload) + packet.padding_size
        self._reception.hear(packet.extensions.abs_send_time, number, size_bytes, now_s)
        # aiortc would ask for a key frame by itself, however often the decoder fails.
        decoder_failed = self._take_failure()
        await self._handle(packet, arrival_time_ms)
        await self._reception.reply(self, decoder_failed=decoder_failed)
        if not is_copy:
            self._learn(packet, codec)

    def _take_failure(self) -> bool:
        """Tell whether the decoder has failed since this was asked last."""
        decoder_error = self._receiver._RTCRtpReceiver__decoder_error
        if has_failed := decoder_error.is_set():
            decoder_error.clear()
        return bool(has_failed)

    def _learn(self, packet: RtpPacket, codec: Any) -> None:
        """Let further packets like this one, which aiortc has found to be this receiver's, go to `take`."""
        known = self._form
        if known is not None and (known.ssrc, known.payload_type) == (packet.ssrc, packet.payload_type):
            return
        statistics = self._receiver._RTCRtpReceiver__remote_streams.get(packet.ssrc)
        carried = CARRIED.get(codec.name)
        if statistics is None or carried is None:
            return
        ids = self._receiver.transport._rtp_header_extensions_map._HeaderExtensionsMap__ids
        self._form = Form(packet.ssrc, packet.payload_type, ids.abs_send_time, ids.transport_sequence_number)
        self._statistics, self._carried = statistics, carried


class _Feedback:
    """A packet of RTCP that aiortc does not know."""

    def __init__(self, ssrc: int, media_ssrc: int, report: bytes) -> None:
        self._payload = struct.pack("!LL", ssrc, media_ssrc) + report

    def __bytes__(self) -> bytes:
        return pack_rtcp_packet(RTCP_RTPFB, FORMAT, self._payload)


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
            ),
            time.monotonic(),
        )
        return False, None
