"""`light` before and after: the photograph with an eighth of its light, and before a bright wall."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from docs.make.jpeg import beside
from harness.photograph import Image, dimmed, read_photo
from inference_service.filters.background import Background
from inference_service.filters.base import Item
from inference_service.filters.light import Light

STOPS = 3
FRAMES = 8
"""So that noise has settled."""


def picture() -> Image:
    """Return both pictures, each beside what the filter makes of it."""
    photograph = read_photo()
    dark = [dimmed(photograph, STOPS, seed=seed) for seed in range(FRAMES)]
    before_a_wall = [_before_a_wall(one, photograph) for one in dark]
    return beside(dark[-1], _lit(dark), before_a_wall[-1], _lit(before_a_wall))


def _lit(frames: list[Image]) -> Image:
    one = Light()
    one.load(torch.device("cpu"))
    item = Item(bytes(16), 0, Light.Params())
    with torch.inference_mode():
        for frame in frames:
            planes = torch.from_numpy(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420))[None]
            shown = one.apply(planes, [item])
            item.sequence += 1
    return np.asarray(cv2.cvtColor(shown[0].numpy(), cv2.COLOR_YUV2RGB_I420), np.uint8)


def _before_a_wall(dark: Image, photograph: Image) -> Image:
    """Return the dark person before the well-lit room, cut out by `background`."""
    one = Background()
    one.load(torch.device("cpu"))
    params = Background.Params(mode="colour", colour="#000000", light_wrap=0.0)
    white = params.model_copy(update={"colour": "#ffffff"})
    batch = torch.from_numpy(photograph.copy()).permute(2, 0, 1)[None]
    with torch.inference_mode():
        shown = [one.apply(batch.clone(), [Item(bytes(16), 0, way)])[0, 1].float() for way in (params, white)]
    room = ((shown[1] - shown[0]) / 255).clamp(0, 1).numpy()[..., None]
    bright = np.clip(photograph * 1.15 + 20, 0, 255)
    return np.asarray(np.rint(dark * (1 - room) + bright * room), np.uint8)
