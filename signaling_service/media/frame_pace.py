"""Which pictures are sent where bits are few: fewer of them, so that each is sharp.

    pictures come      | . | . | . | . |      every 33 ms
    at 15 a second     |   |   |   |   |      what is left out lets nobody wait

A picture that comes too early waits for a newer one, but not for long: it may be the last of a moving scene.
Times of pictures are those of their camera (90 kHz); others are seconds of a rising clock.
"""

from __future__ import annotations

from shared.frame import CLOCK_RATE

EARLY, LATE = 0.75, 1.25
"""Of the time between two pictures: one that comes after the first is sent at once, and none waits for longer
than the second."""


class FramePace:
    """The frame rate of one returned stream."""

    def __init__(self) -> None:
        self.fps: int | None = None
        """No more pictures a second; None: all that come."""
        self._last: tuple[int, float] | None = None
        """The picture that was sent last: its own time, and when."""

    def wait_s(self, pts: int, now_s: float) -> float:
        """Return for how long a picture waits for a newer one; 0.0: it is its turn."""
        if self.fps is None or self._last is None:
            return 0.0
        last_pts, last_s = self._last
        if pts - last_pts >= EARLY * CLOCK_RATE / self.fps:
            return 0.0
        return max(last_s + LATE / self.fps - now_s, 0.0)

    def note_sent(self, pts: int, now_s: float) -> None:
        self._last = pts, now_s

    def begin_anew(self) -> None:
        """Let the next picture wait for nothing."""
        self._last = None
