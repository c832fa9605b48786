"""`pose` before, and after on the photograph and on black."""

from __future__ import annotations

from docs.make.gallery import through
from docs.make.jpeg import beside
from harness.photograph import Image, read_astronaut
from inference_service.filters.pose import Pose

SETTLED = 10
"""Frames."""


def picture() -> Image:
    """Return the photograph, and beside it what the filter makes of it."""
    before = read_astronaut((480, 480))
    return beside(before, through(Pose(), before, SETTLED), through(Pose(), before, SETTLED, camera=0.0))
