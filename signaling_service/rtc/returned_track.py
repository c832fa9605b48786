"""The track that goes back to the page: driven by results, never by the camera.

What it shows follows from how long ago the last filtered frame came:

    closed   filtered frame ... it stays ... after 2 s the still card, until a filtered frame comes
    open     filtered frame ... it stays ... after 0.5 s the raw camera, until a filtered frame comes

A private choice (one that hides what the camera sees) is always `closed`. Where it follows another choice,
the picture on the page's screen is covered at once (cover.py).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Protocol

import av
from aiortc import MediaStreamTrack

from shared.frame import CLOCK_RATE, ColourMatrix, ColourRange
from shared.wire import ResultHeader
from signaling_service.media.frame import CameraFrame
from signaling_service.media.frame_pace import FramePace
from signaling_service.media.planes import packed, video_frame
from signaling_service.metrics import Metrics
from signaling_service.rtc.card import Card
from signaling_service.rtc.cover import SENT_LIMIT_S, Cover, within
from signaling_service.rtc.outage import Outage, Showing
from signaling_service.workers.results import Result

CARD_EVERY_S = 0.5
RESULT_AGE_LIMIT_S = 5.0
REPEAT_AFTER_S = 0.1
"""A page that lost its picture gets the last one again, unless a new one comes within this time."""


class Audience(Protocol):
    """Others than the page that see what it sees."""

    def show(self, frame: av.VideoFrame) -> None:
        """Take the picture that the page is sent now."""

    def cut(self) -> None:
        """Send nothing any more of pictures that were shown before."""


class ReturnedTrack(MediaStreamTrack):
    """Newest result of a session as a video track; used from the event loop alone."""

    kind = "video"

    def __init__(self, metrics: Metrics, card: Card, outage: Outage) -> None:
        super().__init__()
        self.outage = outage
        self.frames_returned = 0
        self.on_showing: Callable[[], None] = lambda: None
        """Called when `showing` becomes another one."""
        self.before_encoding: Callable[[av.VideoFrame], None] = lambda _: None
        """Called with each frame before it is given to the encoder."""
        self.begin_anew: Callable[[], None] = lambda: None
        """Makes the next frame one that no older one is needed for."""
        self.forget_older: Callable[[], int | None] = lambda: None
        """Sends nothing again that is older than the frame sent last; returns that one's RTP timestamp."""
        self.rtp_timestamp_of: Callable[[int], int | None] = lambda pts: None
        """Returns the RTP timestamp with which a frame of this pts is sent; None: it is not known yet."""
        self.on_data: Callable[[ResultHeader, int | None], None] = lambda header, rtp_timestamp: None
        """Called with the header of each filtered frame that has data, before it is encoded."""
        self.on_taken: Callable[[ResultHeader], None] = lambda header: None
        """Called with the header of each filtered frame that the sender takes, before it is encoded."""
        self.audience: Audience | None = None
        self.pace = FramePace()
        """Bounds the rate of filtered and raw frames. What covers a picture waits for nothing."""
        self._metrics = metrics
        self._card = card
        self._showing = Showing.NOTHING
        self._generation = 0
        self._result: Result | None = None
        self._raw: CameraFrame | None = None
        self._changed = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._last_sequence = -1
        self._last_pts: int | None = None
        self._last_sent_s = 0.0
        self._filtered_s: float | None = None
        self._size = (640, 480)
        self._last_frame: av.VideoFrame | None = None
        self._shall_repeat = False
        self._cover = Cover()

    @property
    def showing(self) -> Showing:
        """What the track shows of the present choice."""
        return self._showing

    def offer_result(self, result: Result) -> bool:
        """Take a filtered frame if it is newer than the last one shown; returns whether it was taken."""
        header = result.header
        reason = None
        if header.generation != self._generation:
            reason = "old_generation"
        elif header.sequence <= self._last_sequence or not result.planes:
            reason = "late"
        elif time.monotonic_ns() - header.captured_ns > RESULT_AGE_LIMIT_S * 1e9:
            reason = "too_old"
        if reason is not None:
            self._metrics.results_dropped.labels(reason).inc()
            return False
        if self._result is not None:
            self._metrics.results_dropped.labels("replaced").inc()
        self._last_sequence = header.sequence
        self._result = result
        self._changed.set()
        return True

    def offer_raw(self, frame: CameraFrame) -> None:
        """Keep the newest camera frame for an outage; a closed session never holds one."""
        if self.outage is Outage.OPEN:
            self._raw = frame
            self._changed.set()

    def set_outage(self, outage: Outage) -> None:
        self.outage = outage
        if outage is Outage.CLOSED:
            self._raw = None
            if self.showing is Showing.RAW:
                self._last_frame = None
        self._changed.set()

    def begin_generation(self, generation: int, *, is_private: bool = False) -> None:
        """From now on show results of this generation only."""
        self._generation = generation
        self._result = self._last_frame = None
        self.pace.begin_anew()
        # What is on the screen is another choice's: nobody shall take it for a picture of this one.
        self._showing = Showing.NOTHING
        if self._cover.begin(time.monotonic(), is_private=is_private):
            self.begin_anew()
            if self.audience is not None:
                self.audience.cut()
        self._changed.set()

    async def settled(self) -> int | None:
        """Return when no older frame can follow an answer that is given now.

        By then the frame that was being encoded has been sent. Where a bare one had to be covered, the frame
        that covers it has been sent too, and its RTP timestamp is returned. None: nothing was covered, or the
        timestamp is not known.
        """
        if self._cover.is_settled:
            await within(SENT_LIMIT_S, self._is_idle)
            return None
        return self.forget_older() if await self._cover.lasts() else None

    def repeat(self) -> None:
        """Show the last frame again if nothing newer comes at once: the page has asked for a key frame."""
        self._shall_repeat = True
        self._changed.set()

    async def recv(self) -> av.VideoFrame:
        """Wait for what is to be shown next; aiortc calls this when it has sent the last frame."""
        if self._filtered_s is None:
            self._filtered_s = time.monotonic()  # The outage counts from here until the first result.
        self._is_idle.set()
        self._cover.note_idle()
        frame = await self._next()
        self._is_idle.clear()
        self._cover.note_frame(is_card=self.showing is Showing.CARD)
        self.frames_returned += 1
        self._last_frame = frame
        self._shall_repeat = False
        self._metrics.frames_returned.labels(self.showing.value).inc()
        self.before_encoding(frame)
        if self.audience is not None:
            self.audience.show(frame)
        return frame

    async def _next(self) -> av.VideoFrame:
        while True:
            self._changed.clear()
            now_s = time.monotonic()
            held_s = 0.0
            if (result := self._result) is not None:
                held_s = self.pace.wait_s(result.header.pts, now_s)
                if not held_s:
                    self._result = None
                    return self._filtered(result, now_s)
            if (frame := self._substitute(now_s)) is not None:
                return frame
            if (frame := self._repeated(now_s)) is not None:
                return frame
            try:
                async with asyncio.timeout(min(self._wait_s(now_s), held_s or math.inf)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _wait_s(self, now_s: float) -> float:
        """Return how long it takes until something else is to be shown, if nothing comes."""
        assert self._filtered_s is not None
        out_s = self._filtered_s + self.outage.after_s
        wait_s = max(out_s - now_s, CARD_EVERY_S / 2 if self._is_out(now_s) else 0.001)
        if (cover_s := self._cover.due_s) is not None:
            wait_s = min(wait_s, max(cover_s - now_s, 0.001))
        if self._shall_repeat and self._last_frame is not None:
            wait_s = min(wait_s, max(self._last_sent_s + REPEAT_AFTER_S - now_s, 0.001))
        return wait_s

    def _is_out(self, now_s: float) -> bool:
        assert self._filtered_s is not None
        return now_s - self._filtered_s >= self.outage.after_s

    def _show(self, showing: Showing) -> None:
        if showing is not self._showing:
            self._showing = showing
            self.on_showing()

    def _filtered(self, result: Result, now_s: float) -> av.VideoFrame:
        header = result.header
        self._filtered_s = now_s
        if self._raw is not None and self._raw.captured_ns <= header.captured_ns:
            self._raw = None  # In an outage it would lead back in time.
        self.pace.note_sent(header.pts, now_s)
        self._size = (header.width, header.height)
        self._show(Showing.FILTERED)
        self.on_taken(header)
        frame = video_frame(
            result.planes, header.width, header.height, header.colour_range, header.colour_matrix
        )
        frame = self._stamp(frame, header.pts, now_s)
        if header.data:
            assert frame.pts is not None
            self.on_data(header, self.rtp_timestamp_of(frame.pts))
        return frame

    def _substitute(self, now_s: float) -> av.VideoFrame | None:
        if (cover_s := self._cover.due_s) is not None and now_s >= cover_s:
            return self._still_card(now_s)
        if not self._is_out(now_s):
            return None
        if (raw := self._raw) is not None:
            if self.pace.wait_s(raw.pts, now_s):
                return None  # The next one wakes the track.
            self._raw = None
            self.pace.note_sent(raw.pts, now_s)
            self._show(Showing.RAW)
            self._size = (raw.width, raw.height)
            frame = video_frame(
                packed(raw.planes), raw.width, raw.height, raw.colour_range, raw.colour_matrix
            )
            return self._stamp(frame, raw.pts, now_s)
        if self.outage is Outage.OPEN or now_s - self._last_sent_s < CARD_EVERY_S:
            return None
        return self._still_card(now_s)

    def _still_card(self, now_s: float) -> av.VideoFrame:
        self._show(Showing.CARD)
        planes = self._card.planes(*self._size)
        frame = video_frame(planes, *self._size, ColourRange.LIMITED, ColourMatrix.BT601)
        return self._stamp(frame, self._pts_by_clock(now_s), now_s)

    def _repeated(self, now_s: float) -> av.VideoFrame | None:
        frame = self._last_frame
        if frame is None or not self._shall_repeat or now_s - self._last_sent_s < REPEAT_AFTER_S:
            return None
        return self._stamp(frame, self._pts_by_clock(now_s), now_s)

    def _pts_by_clock(self, now_s: float) -> int:
        elapsed_s = now_s - self._last_sent_s if self._last_sent_s else 0.0
        return (self._last_pts or 0) + int(elapsed_s * CLOCK_RATE)

    def _stamp(self, frame: av.VideoFrame, pts: int, now_s: float) -> av.VideoFrame:
        # A receiver takes a repeated or falling timestamp for another frame's packets.
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)
        # Both of one moment: the next one's time counts from here.
        self._last_pts, self._last_sent_s = pts, now_s
        frame.pts = pts
        return frame
