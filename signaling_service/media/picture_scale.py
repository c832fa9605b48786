"""In which size a picture is sent, where bits are few: a smaller one is sharper than one of large blocks.

A picture is sent whole as long as its bitrate is `ENOUGH` of what it is worth (bitrate.py), else at three
quarters of width and height, else at half. A change costs a key frame, so it goes up late. Times are seconds
of a rising clock.
"""

from __future__ import annotations

from fractions import Fraction

import av

from signaling_service.media.bitrate import default_bitrate

SCALES = (Fraction(1), Fraction(3, 4), Fraction(1, 2))
ENOUGH, ENOUGH_TO_RISE = 0.3, 0.4
RISE_AFTER_S = 2.0
SMALLEST = 160
"""Of width or height: nothing that is so small is made smaller."""


class PictureScale:
    """The size of one returned stream."""

    def __init__(self) -> None:
        self._place = 0
        self._changed_s = float("-inf")

    def size(self, width: int, height: int, bits_per_s: int, now_s: float) -> tuple[int, int]:
        """Return width and height in which a picture of this size is sent at this bitrate; both even."""
        while self._place + 1 < len(SCALES) and not _is_enough(
            self._place, width, height, bits_per_s, ENOUGH
        ):
            if min(width, height) * SCALES[self._place + 1] < SMALLEST:
                break
            self._place += 1
            self._changed_s = now_s
        if (
            self._place
            and now_s - self._changed_s >= RISE_AFTER_S
            and _is_enough(self._place - 1, width, height, bits_per_s, ENOUGH_TO_RISE)
        ):
            self._place -= 1
            self._changed_s = now_s
        return _scaled(width, height, SCALES[self._place])


def scaled(frame: av.VideoFrame, size: tuple[int, int] | None) -> av.VideoFrame:
    """Return an I420 frame in this size (width, height), with the same time and colours; None: as it is."""
    if size is None or size == (frame.width, frame.height):
        return frame
    small = frame.reformat(width=size[0], height=size[1])
    small.pts, small.time_base = frame.pts, frame.time_base
    small.color_range, small.colorspace = frame.color_range, frame.colorspace
    return small


def _is_enough(place: int, width: int, height: int, bits_per_s: int, part: float) -> bool:
    return bits_per_s >= part * default_bitrate(*_scaled(width, height, SCALES[place]))


def _scaled(width: int, height: int, scale: Fraction) -> tuple[int, int]:
    if scale == 1:
        return width, height
    return int(width * scale) // 2 * 2, int(height * scale) // 2 * 2
