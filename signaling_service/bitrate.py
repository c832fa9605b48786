"""How many bits a second a picture is worth."""

from __future__ import annotations

_PIXELS, _BITS_PER_S = 640 * 480, 1_500_000
_GROWTH = 0.63
"""Three times the pixels are worth twice the bits, since neighbours in a larger picture differ less."""
_LEAST_BITS_PER_S = 300_000


def default_bitrate(width: int, height: int) -> int:
    """Return the bits per second at which a picture of this size is sharp, at 30 frames a second.

    640x480 1.5 Mbit/s, 1280x720 3, 1920x1080 5, smoothly by pixels in between.
    """
    return max(_LEAST_BITS_PER_S, round(_BITS_PER_S * (width * height / _PIXELS) ** _GROWTH))
