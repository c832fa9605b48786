"""The points of the person in `read_photo()`, by hand, since weights cannot be had everywhere."""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.filters.vision.coco import POINTS

PLACES = {
    "nose": (332.0, 252.0),
    "left eye": (386.0, 194.0),
    "right eye": (276.0, 194.0),
    "left ear": (458.0, 246.0),
    "right ear": (208.0, 250.0),
    "left shoulder": (540.0, 422.0),
    "right shoulder": (128.0, 428.0),
}
BOX = (46.0, 2.0, 620.0, 480.0)


def points() -> tuple[Tensor, Tensor]:
    """Return (1, 1, 17, 2) places in the photograph and (1, 1, 17) scores, low where nothing is seen."""
    places = torch.tensor([PLACES.get(name, (0.0, 0.0)) for name in POINTS])
    scores = torch.tensor([10.0 if name in PLACES else -2.0 for name in POINTS])
    return places[None, None], scores[None, None]
