"""`pose` before, and after on the photograph and on black."""

from __future__ import annotations

from docs.make.gallery import settled
from docs.make.jpeg import beside
from harness.photograph import Image, read_astronaut
from inference_service.filters.pose import Pose

FRAMES = 10
"""Until the network sees the person from where it likes to."""


def picture() -> Image:
    """Return the photograph, and beside it what the filter makes of it."""
    before = read_astronaut((480, 480))
    ways: tuple[dict[str, float], ...] = ({}, {"camera": 0.0})
    return beside(before, *(settled(Pose(), before, FRAMES, way) for way in ways))
