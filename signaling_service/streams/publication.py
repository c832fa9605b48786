"""What a session hands over to those that watch it, and its hold on the stream by which it does."""

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
    def publisher(self) -> str | None: ...

    @property
    def viewer_count(self) -> int: ...

    def prepare(self, publication: Publication) -> None: ...

    def take(self, publication: Publication) -> None: ...

    def release(self, publication: Publication) -> None: ...

    def show(self, publication: Publication, frame: av.VideoFrame, ntp: int) -> None: ...

    def cut(self, publication: Publication) -> None: ...

    def hear(self, publication: Publication, packet: EncodedPicture) -> None: ...


class Publication:
    """Shows what a session returns to all that watch, while it publishes; every session has one.

    It publishes from `begin` on, until `end`, or until another one takes over.
    """

    def __init__(self) -> None:
        self.on_taken_over: Callable[[], None] = lambda: None
        """Called when another one publishes under the same name; this one has ended then."""
        self.publisher = ""
        """What the publisher calls itself, in all of its sessions; empty: nothing."""
        self.is_closed = False
        self._takes_over = True
        self._stream: Carrier | None = None
        self._clock = SenderClock(CLOCK_RATE)
        self._camera_timestamp_of: Callable[[int], int | None] = lambda pts: None
        self._delay = Delay()
        self._sound: Sound | None = None

    @property
    def name(self) -> str:
        """Under which others may watch; empty: the session does not publish."""
        return "" if self._stream is None else self._stream.name

    @property
    def viewers(self) -> int:
        return 0 if self._stream is None else self._stream.viewer_count

    def prepare(self, stream: Carrier, publisher: str, *, takes_over: bool = True) -> None:
        """Hold a stream, in the place of any other, to publish by it once this begins.

        Unless it takes over, another publisher that has begun until then keeps the stream.
        """
        self.end()
        self._stream, self.publisher, self._takes_over = stream, publisher, takes_over
        stream.prepare(self)

    def begin(self, *, is_private: bool) -> None:
        """Publish from now on, if there is a stream; a private choice hides what was shown there before."""
        if self._stream is None:
            return
        if not self._takes_over and self._stream.publisher not in (None, self.publisher):
            self.note_taken_over()
            return
        self._stream.take(self)
        if is_private:
            self._stream.cut(self)

    def show(self, frame: av.VideoFrame) -> None:
        """Take the picture that the session returns now."""
        if self._stream is not None:
            self._stream.show(self, frame, self._clock.ntp(self._camera_timestamp_of(frame.pts or 0)))

    def cut(self) -> None:
        """Send nothing any more of what was shown before: the session's choice hides it from now on."""
        if self._stream is not None:
            self._stream.cut(self)

    def note_latency(self, latency_s: float) -> None:
        """Take note of how long a picture took from the camera to here."""
        self._delay.note(latency_s)

    def follow_picture(
        self, receiver: RTCRtpReceiver, camera_timestamp_of: Callable[[int], int | None]
    ) -> None:
        """Read the clock of the camera's section; a frame's packets have another time than its pts."""
        of: Any = receiver
        self._camera_timestamp_of = camera_timestamp_of
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

    def note_taken_over(self) -> None:
        """Let go of the stream, which is another one's now."""
        self.end()
        self.on_taken_over()

    def end(self) -> None:
        """Let go of the stream; its viewers see the card until another publisher comes."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.release(self)

    def close(self) -> None:
        """End for good, with the session."""
        self.is_closed = True
        if self._sound is not None:
            self._sound.close()
        self.end()

    def _hear(self, packet: EncodedPicture) -> None:
        if self._stream is not None:
            self._stream.hear(self, packet)
