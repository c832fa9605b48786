"""The colour looks: numbers for one kind of grading each.

A look is what a colourist writes down: the ten numbers of the ASC CDL (ASC Color Decision List 1.2: slope,
offset and power for each channel, then saturation), an S-curve for contrast, and two tints, one for the
shadows and one for the highlights, and one for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

RGB = tuple[float, float, float]
ONES: RGB = (1.0, 1.0, 1.0)
ZEROS: RGB = (0.0, 0.0, 0.0)

LookName = Literal[
    "natural",
    "vivid",
    "warm",
    "cool",
    "cinema",
    "film",
    "faded",
    "bleach",
    "pastel",
    "sunset",
    "moonlight",
    "vintage",
    "crossed",
    "noir",
    "silver",
    "sepia",
    "blueprint",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One grading. All values are of pictures in 0..1, gamma-encoded as cameras deliver them."""

    slope: RGB = ONES
    offset: RGB = ZEROS
    power: RGB = ONES
    saturation: float = 1.0
    """0 is grey, 1 leaves colours as they are."""
    contrast: float = 0.0
    """Strength of the S-curve, -1..1; 0 is a straight line."""
    shadows: RGB = ZEROS
    """Added where the picture is black, fading out towards white."""
    highlights: RGB = ZEROS
    """Added where the picture is white, fading out towards black."""
    tint: RGB = ONES
    """Multiplied at the end, so it colours a grey picture too."""


LOOKS: dict[LookName, Look] = {
    "natural": Look(),
    "vivid": Look(saturation=1.32, contrast=0.28),
    "warm": Look(slope=(1.05, 1.0, 0.90), power=(0.96, 0.99, 1.04), saturation=1.06),
    "cool": Look(slope=(0.88, 0.98, 1.07), power=(1.06, 1.0, 0.93), saturation=0.96, contrast=0.10),
    # Orange skin before teal shadows.
    "cinema": Look(
        slope=(1.03, 1.0, 0.95),
        saturation=1.08,
        contrast=0.30,
        shadows=(-0.035, 0.012, 0.050),
        highlights=(0.035, 0.008, -0.045),
    ),
    # The toe of a print: black is lifted, white is held back, shadows lean to green.
    "film": Look(
        slope=(0.95, 0.95, 0.93),
        power=(0.95, 0.97, 1.0),
        saturation=0.84,
        contrast=0.36,
        shadows=(0.062, 0.088, 0.070),
        highlights=(0.012, 0.0, -0.040),
    ),
    "faded": Look(
        slope=(0.84, 0.84, 0.83),
        saturation=0.74,
        contrast=-0.10,
        shadows=(0.085, 0.080, 0.098),
        highlights=(0.012, 0.006, -0.012),
    ),
    # Silver left in the print: hard, and nearly without colour.
    "bleach": Look(saturation=0.42, contrast=0.58, slope=(1.04, 1.04, 1.03)),
    "pastel": Look(
        power=(0.80, 0.80, 0.79),
        saturation=0.72,
        contrast=-0.20,
        shadows=(0.030, 0.022, 0.040),
        highlights=(0.0, -0.010, 0.0),
    ),
    "sunset": Look(
        slope=(1.08, 0.97, 0.84),
        power=(0.92, 1.0, 1.08),
        saturation=1.12,
        contrast=0.15,
        shadows=(0.020, -0.010, 0.024),
        highlights=(0.020, 0.0, -0.040),
    ),
    "moonlight": Look(
        slope=(0.74, 0.84, 0.97),
        power=(1.16, 1.08, 0.96),
        saturation=0.55,
        contrast=0.22,
        shadows=(-0.010, 0.004, 0.030),
    ),
    "vintage": Look(
        slope=(1.0, 0.95, 0.82),
        saturation=0.80,
        contrast=0.12,
        shadows=(0.055, 0.026, 0.045),
        highlights=(0.0, -0.008, -0.055),
    ),
    # Slide film in the chemistry of negatives: green light, blue shadows, hard.
    "crossed": Look(
        slope=(1.02, 1.06, 0.90),
        saturation=1.18,
        contrast=0.42,
        shadows=(-0.020, -0.005, 0.075),
        highlights=(0.012, 0.030, -0.075),
    ),
    "noir": Look(saturation=0.0, contrast=0.62, power=(1.06, 1.06, 1.06)),
    "silver": Look(
        saturation=0.0,
        contrast=0.16,
        power=(0.94, 0.94, 0.94),
        shadows=(0.014, 0.016, 0.022),
        highlights=(0.0, -0.003, -0.012),
    ),
    "sepia": Look(saturation=0.0, contrast=0.14, tint=(1.08, 0.94, 0.74), shadows=(0.030, 0.012, 0.0)),
    "blueprint": Look(saturation=0.0, contrast=0.24, tint=(0.66, 0.88, 1.10), shadows=(-0.010, 0.030, 0.120)),
}
assert set(LOOKS) == set(get_args(LookName))
