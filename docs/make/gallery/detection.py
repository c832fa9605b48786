"""`detection` before and after; the box is that of the project's own mask, as weights may not be at hand."""

from __future__ import annotations

import numpy as np
import torch

from docs.make.gallery import _person
from docs.make.jpeg import beside
from harness.photograph import Image, read_photo
from inference_service.filters.detection import Detection, Wishes, row
from inference_service.filters.vision.coco import NUMBERS
from inference_service.filters.vision.draw.things import ThingPainter
from inference_service.filters.vision.networks.rcnn import Things


def picture() -> Image:
    """Return the photograph, and beside it what the filter draws for its person."""
    before = read_photo()
    box, score = _person.box(_person.mask(before))
    batch = torch.from_numpy(before.copy()).permute(2, 0, 1)[None]
    boxes = torch.tensor([[box]])
    things = Things(
        boxes,
        boxes,
        torch.tensor([[NUMBERS["person"]]]),
        torch.tensor([[score]]),
        torch.ones(1, 1, dtype=torch.bool),
        torch.tensor([1]),
    )
    params = Detection.Params()
    wishes = Wishes.read(torch.from_numpy(row(params))[None])
    painter = ThingPainter(batch.device)
    drawn = painter.draw(batch, things, wishes.look, torch.zeros(1), params.line_width / 100)
    after = drawn[0].permute(1, 2, 0).round().to(torch.uint8).numpy()
    return beside(before, np.ascontiguousarray(after))
