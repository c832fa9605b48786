"""The size rule, I420 planes, colour range and matrix.

A frame travels as I420: the Y plane (H rows of W bytes), then U and V (H/2 rows of W/2 bytes each),
packed without line padding: W * H * 3 / 2 bytes. As an array that is (H * 3 / 2, W) uint8, the layout
that OpenCV calls I420.
"""

from __future__ import annotations

from enum import StrEnum

MIN_SIDE = 16
MAX_SIDE = 4096
MAX_PLANES_BYTES = MAX_SIDE * MAX_SIDE * 3 // 2
CLOCK_RATE = 90_000
"""Units of `pts` per second, the RTP clock rate of video (RFC 3551 section 5)."""


class ColourRange(StrEnum):
    """`limited`: Y in 16..235, as cameras and codecs send it. `full`: 0..255."""

    LIMITED = "limited"
    FULL = "full"


class ColourMatrix(StrEnum):
    """ITU-R BT.601 (webcams, the default) or BT.709."""

    BT601 = "bt601"
    BT709 = "bt709"


def even(side: int) -> int:
    """Round a width or height down to even, since I420 halves both."""
    return side & ~1


def is_usable_size(width: int, height: int) -> bool:
    """Both sides are even and within the limits of a message."""
    return all(MIN_SIDE <= side <= MAX_SIDE and side % 2 == 0 for side in (width, height))


def i420_size_bytes(width: int, height: int) -> int:
    """Bytes of the three packed planes; width and height are even."""
    return width * height * 3 // 2
