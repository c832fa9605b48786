"""A published picture with its sound, and all that watch it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace

import av
from aiortc import RTCRtpCodecParameters, clock

from shared.frame import CLOCK_RATE, ColourMatrix, ColourRange
from signaling_service.media.bitrate import BitrateProfile
from signaling_service.media.encoders.h264 import takes_single_units
from signaling_service.media.planes import video_frame
from signaling_service.rtc.card import Card
from signaling_service.rtc.outage import CARD_AFTER_S
from signaling_service.streams import sound
from signaling_service.streams.fan_out import EncodedPicture, FanOut
from signaling_service.streams.publication import Publication
from signaling_service.streams.rendition import Rendition

AWAY_LIMIT_S = 30.0
"""A publisher that does not come back within this time has ended its stream."""
CARD_EVERY_S = 0.5
SOUND_BITS_PER_S = 64_000


class Timeline:
    """One rising line of timestamps through all publishers of a stream."""

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._of: object = None
        self._offset = 0
        self._last: int | None = None
        self._last_s = 0.0

    def stamp(self, of: object, timestamp: int) -> int:
        """Return the stream's timestamp of one that a publisher has given."""
        now_s = time.monotonic()
        if of is not self._of:
            self._of = of
            gap = round((now_s - self._last_s) * self._clock_rate) if self._last is not None else 0
            self._offset = (self._last or 0) + max(1, gap) - timestamp
        made = timestamp + self._offset
        self._last, self._last_s = max(made, self._last or 0), now_s
        return made


class Stream:
    """Event loop only. `on_end` is called when nobody publishes it any more."""

    def __init__(
        self,
        name: str,
        subject: str,
        bitrates: BitrateProfile,
        executor: Executor,
        card: Card,
        on_end: Callable[[Stream], None],
    ) -> None:
        self.name = name
        self.subject = subject
        """Who may publish under this name while it lasts."""
        self._bitrates = bitrates
        self._executor = executor
        self._card = card
        self._on_end = on_end
        self._prepared: set[object] = set()
        """Those that are about to publish."""
        self._publication: Publication | None = None
        self._renditions: dict[str, Rendition] = {}
        self._listeners: set[FanOut] = set()
        self._viewers: set[Callable[[], None]] = set()
        self._seated: set[Callable[[], None]] = set()
        """Those of them that are connected."""
        self._picture_line = Timeline(CLOCK_RATE)
        self._sound_line = Timeline(sound.CLOCK_RATE)
        self._size = (640, 480)
        self._away: asyncio.Task[None] | None = None

    @property
    def viewer_count(self) -> int:
        return len(self._seated)

    # The publisher's side

    @property
    def publisher(self) -> str | None:
        """What the one that publishes now calls itself; None: nobody publishes."""
        return None if self._publication is None else self._publication.publisher

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Stay meanwhile, so that nobody else takes the name."""
        hold = object()
        self._prepared.add(hold)
        try:
            yield
        finally:
            self._prepared.discard(hold)
            self._end_unused()

    def prepare(self, publication: Publication) -> None:
        """Stay for one that is about to begin."""
        self._prepared.add(publication)

    def take(self, publication: Publication) -> None:
        """Let it publish from now on, in the place of any other."""
        former, self._publication = self._publication, publication
        if self._away is not None:
            self._away.cancel()
            self._away = None
        if former is not None and former is not publication:
            former.note_taken_over()

    def release(self, publication: Publication) -> None:
        """Show the card where it was the one that publishes; end where none ever did."""
        self._prepared.discard(publication)
        if publication is self._publication:
            self._publication = None
            self._away = asyncio.get_running_loop().create_task(self._be_away())
        else:
            self._end_unused()

    def _end_unused(self) -> None:
        if not self._prepared and self._publication is None and self._away is None:
            self.end()

    def show(self, publication: object, frame: av.VideoFrame, ntp: int) -> None:
        if publication is not (self._publication or self):
            return
        self._size = (frame.width, frame.height)
        pts = self._picture_line.stamp(publication, frame.pts or 0)
        for rendition in self._renditions.values():
            rendition.show(frame, pts, ntp)

    def cut(self, publication: Publication) -> None:
        if publication is self._publication:
            for rendition in self._renditions.values():
                rendition.cut()

    def hear(self, publication: Publication, packet: EncodedPicture) -> None:
        if publication is self._publication and self._listeners:
            stamped = replace(packet, timestamp=self._sound_line.stamp(publication, packet.timestamp))
            for listener in list(self._listeners):
                listener.send(stamped, SOUND_BITS_PER_S)

    async def _be_away(self) -> None:
        began_s = time.monotonic()
        await asyncio.sleep(CARD_AFTER_S)
        # One that is about to begin finds its stream, and those that watch it, also after that.
        while (away_s := time.monotonic() - began_s) < AWAY_LIMIT_S or self._prepared:
            planes = self._card.planes(*self._size)
            frame = video_frame(planes, *self._size, ColourRange.LIMITED, ColourMatrix.BT601)
            frame.pts = round(away_s * CLOCK_RATE)
            self.show(self, frame, clock.current_ntp_time())
            await asyncio.sleep(CARD_EVERY_S)
        self.end()

    def end(self) -> None:
        """End the stream, and with it all that watch."""
        if self._away is not None:
            self._away.cancel()
        for leave in list(self._viewers):
            leave()
        for rendition in self._renditions.values():
            rendition.close()
        self._renditions.clear()
        self._on_end(self)

    # The viewers' side

    def join(self, leave: Callable[[], None]) -> None:
        """Take note of a viewer, which is told to leave when the stream ends."""
        self._viewers.add(leave)

    def seat(self, leave: Callable[[], None]) -> None:
        """Count it: from now on it has a place."""
        self._seated.add(leave)

    def forget(self, leave: Callable[[], None]) -> None:
        self._viewers.discard(leave)
        self._seated.discard(leave)

    def rendition(self, codec: RTCRtpCodecParameters) -> Rendition:
        """Return the picture in this codec; it is encoded from the first viewer on."""
        # A viewer that asks for single units cannot read what the others are sent.
        key = f"{codec.name}, single units" if takes_single_units(codec) else codec.name
        made = self._renditions.get(key)
        if made is None:
            made = self._renditions[key] = Rendition(codec, self._bitrates, self._executor)
        return made

    def drop_unwatched(self) -> None:
        """End the encoders that nobody watches."""
        for name, rendition in list(self._renditions.items()):
            if not rendition.is_watched:
                rendition.close()
                del self._renditions[name]

    def listen(self, listener: FanOut) -> None:
        self._listeners.add(listener)

    def stop_listening(self, listener: FanOut) -> None:
        self._listeners.discard(listener)
