"""The pictures of docs/gallery.md; a module per filter, whose `picture` draws its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from harness.photograph import Image
from inference_service.filters.base import Filter, Item


def through(one: Filter, image_rgb: Image, **params: object) -> Image:
    """Return what a filter makes of one picture, its first of a session; (H, W, 3) uint8 RGB."""
    return settled(one, image_rgb, 1, params)


def settled(one: Filter, image_rgb: Image, frames: int, params: Mapping[str, object]) -> Image:
    """Return what a filter makes of the last of so many equal pictures; as `through`."""
    one.load(torch.device("cpu"))
    item = Item(bytes(16), 0, one.Params.model_validate(params))
    with torch.inference_mode():
        for item.sequence in range(frames):
            batch = torch.from_numpy(image_rgb.copy()).permute(2, 0, 1)[None]
            made = one.apply(batch, [item])[0]
    return np.asarray(made.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy(), np.uint8)
