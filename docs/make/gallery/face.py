"""`face` before, and after with squares, a blur and a mask."""

from __future__ import annotations

import numpy as np
import torch

from docs.make.jpeg import beside
from harness.photograph import Image, read_photo
from inference_service.filters.base import Item
from inference_service.filters.face import Face


def picture() -> Image:
    """Return the photograph, and beside it what the filter makes of it."""
    before = read_photo()
    face = Face()
    face.load(torch.device("cpu"))
    ways = (Face.Params(), Face.Params(mode="blur"), Face.Params(mode="mask"))
    return beside(before, *(drawn(face, before, params) for params in ways))


def drawn(face: Face, before: Image, params: Face.Params) -> Image:
    """Return what the filter makes of the photograph."""
    batch = torch.from_numpy(before.copy()).permute(2, 0, 1)[None]
    after = face.apply(batch, [Item(bytes(16), 0, params)])
    return np.ascontiguousarray(after[0].permute(1, 2, 0).numpy())
