"""How many bits a second a picture is worth, and between which bounds a session keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace

LEAST_BITS_PER_S = 150_000
"""Enough for 320x240 at 15 frames a second."""
START_BITS_PER_S = 3_000_000
"""Enough for a sharp 1280x720 from the first second; a narrow network is noticed within the first."""
CAUTIOUS_BITS_PER_S = 1_000_000
"""Enough for 640x480. Who gets transport-wide feedback begins with no more; it doubles within a second."""

_PIXELS, _BITS_PER_S = 640 * 480, 1_500_000
_SMALLEST_BITS_PER_S = 300_000
_GROWTH = 0.631
"""Three times the pixels are worth twice the bits, since neighbours in a larger picture differ less."""


def default_bitrate(width: int, height: int) -> int:
    """Return the bits per second at which a picture of this size is sharp, at 30 frames a second.

    640x480 1.5 Mbit/s, 1280x720 3, 1920x1080 5, smoothly by pixels in between.
    """
    worth: float = _BITS_PER_S * (width * height / _PIXELS) ** _GROWTH
    return max(_SMALLEST_BITS_PER_S, round(worth))


@dataclass(frozen=True, slots=True)
class BitrateProfile:
    """The bounds of a session, each way, in bits per second."""

    least: int = LEAST_BITS_PER_S
    start: int = START_BITS_PER_S
    most: int | None = None
    """None: what the size of the picture is worth."""

    def cautious(self) -> BitrateProfile:
        """Return these bounds with a start that a narrow network bears."""
        return replace(self, start=max(min(self.start, CAUTIOUS_BITS_PER_S), self.least))

    def most_for(self, width: int, height: int) -> int:
        """Return the bound for a picture of this size; no less than `least`."""
        most = default_bitrate(width, height) if self.most is None else self.most
        return max(most, self.least)
