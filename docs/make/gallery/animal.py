"""`animal`: three on each of two photographs."""

from __future__ import annotations

import cv2
import numpy as np

from docs.make.gallery import through
from harness.network_inputs import photograph
from harness.photograph import Image
from inference_service.filters.animal import Animal
from inference_service.filters.animal.cards import KINDS

SIDE = 300


def picture() -> Image:
    """Return two rows of four squares, (600, 1200, 3) uint8 RGB: a photograph, then animals on it."""
    rows = []
    for name, kinds, (left, side) in (("astronaut", KINDS[:3], (80, 300)), ("hopper", KINDS[3:], (65, 420))):
        photo = photograph(name)[0].permute(1, 2, 0).numpy()
        seen = [photo, *(through(Animal(), photo, animal=kind) for kind in kinds)]
        rows.append(np.concatenate([_square(one[:side, left : left + side]) for one in seen], axis=1))
    return np.concatenate(rows)


def _square(piece: Image) -> Image:
    return np.asarray(cv2.resize(piece, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
