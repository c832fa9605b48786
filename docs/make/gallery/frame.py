"""`frame` before and after: somebody small, and left of the middle."""

from __future__ import annotations

from docs.make.gallery import through
from docs.make.jpeg import beside
from harness.photograph import Image, read_astronaut
from inference_service.filters.frame import Frame


def picture() -> Image:
    """Return the photograph, and beside it what the filter makes of it."""
    before = read_astronaut((480, 480))
    return beside(before, through(Frame(), before))
