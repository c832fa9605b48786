"""`ink`, by its own network."""

from __future__ import annotations

from docs.make.gallery import through
from docs.make.jpeg import beside
from harness.photograph import Image, read_photo
from inference_service.filters.ink import Ink


def picture() -> Image:
    """Return the photograph and its drawing, (480, 1280, 3) uint8 RGB."""
    photo = read_photo()
    return beside(photo, through(Ink(), photo))
