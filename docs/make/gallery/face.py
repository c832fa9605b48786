"""`face` before, and after with squares, a blur and a mask; points by hand."""

from __future__ import annotations

import numpy as np
import torch

from docs.make.gallery._points import BOX, points
from docs.make.jpeg import beside
from harness.photograph import Image, read_photo
from inference_service.filters.base import Item
from inference_service.filters.face import LEAST_POINT_SCORE, Face, row, see, wishes_of
from inference_service.filters.vision.draw.covers import covered
from inference_service.filters.vision.people.heads import heads_of


def picture() -> Image:
    """Return the photograph, and beside it what the filter draws for these points."""
    before = read_photo()
    ways = (Face.Params(), Face.Params(mode="blur"), Face.Params(mode="mask"))
    return beside(before, *(drawn(before, params) for params in ways))


def drawn(before: Image, params: Face.Params) -> Image:
    """Return what the filter draws over the photograph."""
    batch = torch.from_numpy(before.copy()).permute(2, 0, 1)[None]
    place, score = points()
    heads = heads_of(place, score, torch.tensor([[BOX]]), LEAST_POINT_SCORE)
    items = [Item(bytes(16), 0, params)]
    seen = see(heads, torch.ones(1, 1, dtype=torch.bool), items)
    wishes = wishes_of(items, torch.from_numpy(row(params))[None], batch.shape[2])
    after = covered(batch, seen.covers, seen.is_all, wishes)
    return np.ascontiguousarray(after[0].permute(1, 2, 0).round().to(torch.uint8).numpy())
