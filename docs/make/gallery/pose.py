"""`pose` before, and after on the photograph and on black; points by hand."""

from __future__ import annotations

import numpy as np
import torch

from docs.make.gallery._points import points
from docs.make.jpeg import beside
from harness.photograph import Image, read_photo
from inference_service.filters.pose import Pose, row
from inference_service.filters.vision.draw.people import Look, PeoplePainter


def picture() -> Image:
    """Return the photograph, and beside it what the filter draws for these points."""
    before = read_photo()
    return beside(before, drawn(before, Pose.Params()), drawn(before, Pose.Params(camera=0)))


def drawn(before: Image, params: Pose.Params) -> Image:
    """Return what the filter draws over the photograph."""
    batch = torch.from_numpy(before.copy()).permute(2, 0, 1)[None]
    place, score = points()
    look = Look(*torch.from_numpy(row(params))[None, 1:].unbind(1))
    is_real = torch.ones(1, 1, dtype=torch.bool)
    after = PeoplePainter(batch.device).draw(batch, place, score, is_real, look, params.line_width / 200)
    return np.ascontiguousarray(after[0].permute(1, 2, 0).round().to(torch.uint8).numpy())
