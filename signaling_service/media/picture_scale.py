"""In which size and at which frame rate a picture is sent, where bits are few: fewer pixels are sharper than
large blocks.

A picture is sent whole as long as its bitrate is `ENOUGH` of what it is worth (bitrate.py), else at three
quarters of width and height, then at half, then every second one of these. A change costs a key frame, which
takes a narrow link half a second's bits. So a fall waits whether it lasts: the rate is low for a moment while
a queue drains. A rise comes late, and later each time that a fall has followed it, unless bits are plenty.
Times are seconds of a rising clock.
"""

from __future__ import annotations

from fractions import Fraction

import av

from signaling_service.media.bitrate import default_bitrate

SCALES = (Fraction(1), Fraction(3, 4), Fraction(1, 2))
FULL_FPS, FEW_FPS = 30, 15
ENOUGH, ENOUGH_TO_RISE = 0.4, 0.5
PLENTY = 0.65
"""Of what the larger size is worth: no edge, at which sizes would go back and forth."""
FAR_TOO_FEW, FALL_AFTER_S = 0.2, 0.6
"""Under this part a fall waits for nothing."""
SOON_S, RISE_AFTER_S, LONGEST_RISE_S = 1.0, 2.0, 16.0
"""Since the last change: where the bits are all that the larger size is worth, at first, and at most."""
SMALLEST = 160
"""Of width or height: nothing that is so small is made smaller."""


class PictureScale:
    """The size and the frame rate of one returned stream."""

    def __init__(self) -> None:
        self._place = 0
        self._changed_s = float("-inf")
        self._has_begun = False
        self._short_since_s: float | None = None
        self._rose_s: float | None = None
        self._rise_after_s = RISE_AFTER_S
        self.fps = FULL_FPS
        """Pictures a second that the bits of the last one are enough for."""
        self.most_bits_per_s: int | None = None
        """With more it soon becomes larger; None: it is whole."""

    def size(self, width: int, height: int, bits_per_s: int, now_s: float) -> tuple[int, int]:
        """Return width and height in which a picture of this size is sent at this bitrate; both even."""
        scales = [scale for scale in SCALES if scale == 1 or min(width, height) * scale >= SMALLEST]
        # Behind the smallest size the frame rate falls.
        lowest = len(scales)

        def worth(place: int, part: float) -> float:
            return part * default_bitrate(*_scaled(width, height, scales[place]))

        self._place = min(self._place, lowest)
        place = self._place
        while place < lowest and bits_per_s < worth(place, ENOUGH):
            place += 1
        if place == self._place:
            self._short_since_s = None
            if place and now_s - self._changed_s >= self._patience_s(bits_per_s / worth(place - 1, 1.0)):
                while place and bits_per_s >= worth(place - 1, ENOUGH_TO_RISE):
                    place -= 1
        elif not self._has_lasted(now_s) and bits_per_s >= worth(self._place, FAR_TOO_FEW):
            place = self._place
        self._go_to(place, now_s)
        self._has_begun = True
        self.most_bits_per_s = round(worth(self._place - 1, ENOUGH_TO_RISE)) if self._place else None
        self.fps = FEW_FPS if self._place == lowest else FULL_FPS
        return _scaled(width, height, scales[min(self._place, lowest - 1)])

    def _patience_s(self, part: float) -> float:
        """Return for how long a size stays where the next one would have this part of what it is worth."""
        if part >= 1.0:
            return SOON_S
        return RISE_AFTER_S if part >= PLENTY else self._rise_after_s

    def _has_lasted(self, now_s: float) -> bool:
        if not self._has_begun:
            return True  # A call that begins with few bits begins small.
        if self._short_since_s is None:
            self._short_since_s = now_s
        return now_s - self._short_since_s >= FALL_AFTER_S

    def _go_to(self, place: int, now_s: float) -> None:
        if place < self._place:
            self._rose_s = now_s
        elif place > self._place and self._rose_s is not None:
            has_held = now_s - self._rose_s >= LONGEST_RISE_S
            self._rise_after_s = RISE_AFTER_S if has_held else min(2 * self._rise_after_s, LONGEST_RISE_S)
        if place != self._place:
            self._changed_s, self._short_since_s = now_s, None
        self._place = place


def scaled(frame: av.VideoFrame, size: tuple[int, int] | None) -> av.VideoFrame:
    """Return an I420 frame in this size (width, height), with the same time and colours; None: as it is."""
    if size is None or size == (frame.width, frame.height):
        return frame
    small = frame.reformat(width=size[0], height=size[1])
    small.pts, small.time_base = frame.pts, frame.time_base
    small.color_range, small.colorspace = frame.color_range, frame.colorspace
    return small


def _scaled(width: int, height: int, scale: Fraction) -> tuple[int, int]:
    if scale == 1:
        return width, height
    return int(width * scale) // 2 * 2, int(height * scale) // 2 * 2
