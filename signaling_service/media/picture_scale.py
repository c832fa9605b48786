"""In which size and at which frame rate a picture is sent, where bits are few: fewer pixels are sharper than
large blocks.

A picture is sent whole as long as its bitrate is `ENOUGH` of what it is worth (bitrate.py), else at three
quarters of width and height, then at half, then every second one of these. A change costs a key frame, so it
goes up late. Times are seconds of a rising clock.
"""

from __future__ import annotations

from fractions import Fraction

import av

from signaling_service.media.bitrate import default_bitrate

SCALES = (Fraction(1), Fraction(3, 4), Fraction(1, 2))
FULL_FPS, FEW_FPS = 30, 15
ENOUGH, ENOUGH_TO_RISE = 0.4, 0.5
RISE_AFTER_S = 2.0
SMALLEST = 160
"""Of width or height: nothing that is so small is made smaller."""


class PictureScale:
    """The size and the frame rate of one returned stream."""

    def __init__(self) -> None:
        self._place = 0
        self._changed_s = float("-inf")
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
        while self._place < lowest and bits_per_s < worth(self._place, ENOUGH):
            self._place += 1
            self._changed_s = now_s
        if now_s - self._changed_s >= RISE_AFTER_S:
            while self._place and bits_per_s >= worth(self._place - 1, ENOUGH_TO_RISE):
                self._place -= 1
                self._changed_s = now_s
        self.most_bits_per_s = round(worth(self._place - 1, ENOUGH_TO_RISE)) if self._place else None
        self.fps = FEW_FPS if self._place == lowest else FULL_FPS
        return _scaled(width, height, scales[min(self._place, lowest - 1)])


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
