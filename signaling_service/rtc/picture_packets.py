"""Sends the packets of one session's pictures; stands in for the loop of aiortc's sender.

That loop makes an object of each packet, asks the clock three times, and passes two coroutines. A picture is
six packets and more, and all that differs between them is a number and the marker.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from aiortc import RTCRtpCodecParameters, clock
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpsender import RTCEncodedFrame, random_sequence_number
from aiortc.rtp import RTP_HISTORY_SIZE, RtpPacket
from aiortc.utils import random32

from signaling_service.media.written_head import WrittenHead
from signaling_service.rtc.packets import Leaving
from signaling_service.rtc.transport_wide import TransportWide

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class SentPacket:
    """What is kept of a packet that may be sent again; the names are aiortc's. Nobody changes one."""

    payload_type: int
    sequence_number: int
    timestamp: int
    marker: bool
    ssrc: int
    payload: bytes

    def whole(self, mid: str | None) -> RtpPacket:
        """Return the packet as aiortc sends it again, as of now."""
        packet = RtpPacket(
            self.payload_type, self.marker, self.sequence_number, self.timestamp, self.ssrc, self.payload
        )
        packet.extensions.abs_send_time = _send_time(clock.current_ntp_time())
        packet.extensions.mid = mid
        return packet


class PicturePackets:
    """Takes each encoded picture of a sender, and sends it. Event loop only."""

    def __init__(self, sender: Any, leaving: Leaving, control: TransportWide | None) -> None:
        self._sender = sender
        self._leaving = leaving
        self._control = control
        self._number = random_sequence_number()

    def take_over(self) -> None:
        """Set the loop in the sender; to be called before it starts."""
        self._sender._run_rtp = self._run

    async def _run(self, codec: RTCRtpCodecParameters) -> None:
        sender = self._sender
        sender._RTCRtpSender__rtp_started.set()
        payload_type, origin = codec.payloadType or 0, random32()
        head = self._head(payload_type)
        try:
            while True:
                if (encoded := await sender._next_encoded_frame(codec)) is not None:
                    await self._send(encoded, head, payload_type, origin)
        except (ConnectionError, MediaStreamError):
            pass
        except Exception:
            logger.exception("a session's pictures cannot be sent any more")
        finally:
            # What aiortc does in the end. Who stops a sender waits for the last of it.
            sender._RTCRtpSender__track.stop()
            sender._RTCRtpSender__track = sender._RTCRtpSender__encoder = None
            sender._RTCRtpSender__rtp_exited.set()

    async def _send(
        self, encoded: RTCEncodedFrame, head: WrittenHead, payload_type: int, origin: int
    ) -> None:
        sender, control = self._sender, self._control
        history, ssrc = sender._RTCRtpSender__rtp_history, sender._ssrc
        timestamp = (origin + encoded.timestamp) & 0xFFFFFFFF
        last = len(encoded.payloads) - 1
        transport_number = 0
        ntp = clock.current_ntp_time()
        for index, payload in enumerate(encoded.payloads):
            if control is not None:
                if wait_s := control.wait_s():
                    await asyncio.sleep(wait_s)
                    ntp = clock.current_ntp_time()
                transport_number = control.take_next()
            number, is_last = self._number, index == last
            history[number % RTP_HISTORY_SIZE] = SentPacket(
                payload_type, number, timestamp, is_last, ssrc, payload
            )
            packet = head.before(
                payload,
                number,
                timestamp,
                marker=is_last,
                send_time=_send_time(ntp),
                transport_number=transport_number,
            )
            self._leaving.send_media(packet)
            if control is not None:
                control.note_sent(transport_number, len(packet))
            self._number = (number + 1) & 0xFFFF
            # Its sender reports tell of these.
            sender._RTCRtpSender__ntp_timestamp, sender._RTCRtpSender__rtp_timestamp = ntp, timestamp
            sender._RTCRtpSender__octet_count += len(payload)
            sender._RTCRtpSender__packet_count += 1

    def _head(self, payload_type: int) -> WrittenHead:
        sender = self._sender
        ids = sender._RTCRtpSender__rtp_header_extensions_map._HeaderExtensionsMap__ids
        same = [] if self._control is None else self._control.said_in_all()
        mid = sender._RTCRtpSender__mid
        if mid and ids.mid:
            same.append((ids.mid, mid.encode()))
        number_id = None if self._control is None else ids.transport_sequence_number
        return WrittenHead(payload_type, sender._ssrc, same, ids.abs_send_time, number_id)


def _send_time(ntp: int) -> int:
    """Return abs-send-time: 24 bits, 6 of them whole seconds, of NTP's 64."""
    return (ntp >> 14) & 0xFFFFFF
