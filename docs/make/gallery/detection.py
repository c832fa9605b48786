"""`detection` before and after; boxes by hand, since weights cannot be had everywhere."""

from __future__ import annotations

import numpy as np
import torch

from docs.make.jpeg import beside
from harness.photograph import Image, read_photo
from inference_service.filters.detection import Detection, Wishes, row
from inference_service.filters.vision.coco import NUMBERS, ClassName
from inference_service.filters.vision.draw.things import ThingPainter
from inference_service.filters.vision.networks.rcnn import Things

BOXES: dict[ClassName, tuple[tuple[float, float, float, float], float]] = {
    "person": ((46.0, 2.0, 620.0, 480.0), 0.99),
    "tie": ((250.0, 436.0, 374.0, 480.0), 0.87),
}
"""On `read_photo()`, with scores."""


def picture() -> Image:
    """Return the photograph, and beside it what the filter draws for these boxes."""
    before = read_photo()
    batch = torch.from_numpy(before.copy()).permute(2, 0, 1)[None]
    boxes = torch.tensor([[box for box, _ in BOXES.values()]])
    things = Things(
        boxes,
        boxes,
        torch.tensor([[NUMBERS[name] for name in BOXES]]),
        torch.tensor([[score for _, score in BOXES.values()]]),
        torch.ones(1, len(BOXES), dtype=torch.bool),
        torch.tensor([len(BOXES)]),
    )
    params = Detection.Params()
    wishes = Wishes.read(torch.from_numpy(row(params))[None])
    drawn = ThingPainter(batch.device).draw(batch, things, wishes.look, params.line_width / 100)
    after = drawn[0].permute(1, 2, 0).round().to(torch.uint8).numpy()
    return beside(before, np.ascontiguousarray(after))
