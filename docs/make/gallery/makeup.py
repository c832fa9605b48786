"""`makeup` on two photographs: before, with the defaults, and with more."""

from __future__ import annotations

import cv2
import numpy as np

from docs.make.gallery import through
from harness.network_inputs import photograph
from harness.photograph import Image, read_photo
from inference_service.filters.makeup import Makeup

MORE = {
    "lips": 1.0,
    "lip_colour": "#8e1f3c",
    "gloss": 0.6,
    "cheeks": 0.6,
    "lids": 0.9,
    "lid_colour": "#5a6a8a",
    "line": 0.9,
    "brows": 0.6,
    "smooth": 0.9,
}
SIDE = 400


def picture() -> Image:
    """Return a row of three squares for each photograph, (800, 1200, 3) uint8 RGB."""
    astronaut = photograph("astronaut")[0].permute(1, 2, 0).numpy()[10 : SIDE - 90, 70 : SIDE - 30]
    rows = [_row(np.ascontiguousarray(astronaut)), _row(read_photo()[80 : 80 + SIDE, 130 : 130 + SIDE])]
    return np.concatenate(rows)


def _row(photo: Image) -> Image:
    steps = [photo, through(Makeup(), photo), through(Makeup(), photo, **MORE)]
    large = [cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for one in steps]
    return np.concatenate(large, axis=1)
