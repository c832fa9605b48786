"""The pictures of docs/gallery.md; a module per filter, whose `picture` draws its own."""

from __future__ import annotations

import numpy as np
import torch

from harness.photograph import Image
from inference_service.filters.base import Filter, Item


def through(one: Filter, image_rgb: Image, **params: object) -> Image:
    """Return what a filter makes of one picture, its first of a session; (H, W, 3) uint8 RGB."""
    one.load(torch.device("cpu"))
    batch = torch.from_numpy(image_rgb.copy()).permute(2, 0, 1)[None]
    with torch.inference_mode():
        made = one.apply(batch, [Item(bytes(16), 0, one.Params.model_validate(params))])[0]
    return np.asarray(made.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy(), np.uint8)
