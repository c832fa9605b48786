"""`background`: before its blurred room, before another one, and before green."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from docs.make.gallery import through
from docs.make.jpeg import beside
from harness.photograph import Image, read_photo
from inference_service.filters.background import Background


def picture() -> Image:
    """Return the photograph and three other backgrounds, (480, 2560, 3) uint8 RGB."""
    photo = read_photo()
    height, width = photo.shape[:2]
    _, packed = cv2.imencode(".png", evening(height, width)[..., ::-1])
    own = base64.b64encode(packed.tobytes()).decode()
    wishes: list[dict[str, object]] = [{}, {"mode": "picture", "picture": own}, {"mode": "green"}]
    return beside(photo, *(through(Background(), photo, **one) for one in wishes))


def evening(height: int, width: int) -> Image:
    """Return a sky after sunset over two ranges of hills, (height, width, 3) uint8 RGB."""
    row, column = np.mgrid[0:height, 0:width] / height
    high, low = np.array([70.0, 90.0, 160.0]), np.array([255.0, 170.0, 110.0])
    levels = high + (low - high) * np.clip(row / 0.7, 0, 1)[..., None]
    for top, colour in ((0.68, (120, 80, 110)), (0.82, (60, 45, 75))):
        ridge = top + 0.04 * np.sin(5 * column + 9 * top) + 0.015 * np.sin(17 * column)
        levels[row > ridge] = colour
    return np.asarray(levels, np.uint8)
