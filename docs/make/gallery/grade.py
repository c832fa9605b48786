"""`grade`: nine of its looks."""

from __future__ import annotations

import numpy as np

from docs.make.gallery import through
from harness.photograph import Image, read_photo
from inference_service.filters.grade import Grade

LOOKS = ("vivid", "warm", "cinema", "film", "pastel", "sunset", "vintage", "noir", "sepia")
COLUMNS = 5
EXAMPLE = {"look": "cinema"}
"""What the card of the demo page shows."""


def picture() -> Image:
    """Return the photograph and its looks at half the size, (480, 1600, 3) uint8 RGB."""
    photo = read_photo()
    looks = [photo, *(through(Grade(), photo, look=look) for look in LOOKS)]
    small = [image_rgb[::2, ::2] for image_rgb in looks]
    rows = [np.concatenate(small[n : n + COLUMNS], axis=1) for n in range(0, len(small), COLUMNS)]
    return np.concatenate(rows)
