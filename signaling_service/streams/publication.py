"""One publisher's hold on a stream: what its session hands over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import av
from aiortc import RTCRtpReceiver
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket

from shared.frame import CLOCK_RATE
from signaling_service.streams.fan_out import EncodedPicture
from signaling_service.streams.sender_clock import SenderClock
from signaling_service.streams.sound import Delay, Sound


class Carrier(Protocol):
    """The stream, as a publication knows it."""

    @property
    def name(self) -> str: ...

    @property
    def viewer_count(self) -> int: ...

    def take(self, publication: Publication) -> None: ...

    def release(self, publication: Publication) -> None: ...

    def show(self, publication: Publication, frame: av.VideoFrame, ntp: int) -> None: ...

    def cut(self, publication: Publication) -> None: ...

    def hear(self, publication: Publication, packet: EncodedPicture) -> None: ...


class Publication:
    """Shows what a session returns to all that watch, until it ends or another one takes over."""

    def __init__(self, stream: Carrier) -> None:
        self.on_taken_over: Callable[[], None] = lambda: None
        """Called when another one publishes under the same name."""
        self._stream = stream
        self._clock = SenderClock(CLOCK_RATE)
        self._rtp_timestamp: Callable[[int], int | None] = lambda pts: None
        self._delay = Delay()
        self._sound: Sound | None = None

    @property
    def name(self) -> str:
        return self._stream.name

    @property
    def viewers(self) -> int:
        return self._stream.viewer_count

    def begin(self) -> None:
        """Publish from now on."""
        self._stream.take(self)

    def show(self, frame: av.VideoFrame) -> None:
        """Take the picture that the session returns now."""
        self._stream.show(self, frame, self._clock.ntp(self._rtp_timestamp(frame.pts or 0)))

    def cut(self) -> None:
        """Send nothing any more of what was shown before: the session's choice hides it from now on."""
        self._stream.cut(self)

    def note_latency(self, latency_s: float) -> None:
        """Take note of how long a picture took from the camera to here."""
        self._delay.note(latency_s)

    def follow_picture(self, receiver: RTCRtpReceiver, rtp_timestamp: Callable[[int], int | None]) -> None:
        """Read the clock of the camera's section; `rtp_timestamp` tells that of a frame by its pts."""
        of: Any = receiver
        self._rtp_timestamp = rtp_timestamp
        handle = of._handle_rtcp_packet

        async def handle_rtcp_packet(packet: AnyRtcpPacket) -> None:
            if isinstance(packet, RtcpSrPacket):
                self._clock.note_report(packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp)
            await handle(packet)

        of._handle_rtcp_packet = handle_rtcp_packet

    def take_sound(self, receiver: RTCRtpReceiver) -> None:
        """Pass on the Opus packets of this receiver."""
        self._sound = Sound(receiver, self._delay, self._hear)
        self._sound.take_over()

    def end(self) -> None:
        """Let go of the stream; its viewers see the card until another publisher comes."""
        if self._sound is not None:
            self._sound.close()
        self._stream.release(self)

    def _hear(self, packet: EncodedPicture) -> None:
        self._stream.hear(self, packet)
