"""Two photographs that come with packages, and networks' inputs made of them without any resizing."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.photograph import GRACE_HOPPER, astronaut

NAMES = ("astronaut", "hopper")
FACES = {"astronaut": (140, 25, 320, 205), "hopper": (140, 130, 400, 390)}
"""Squares round the faces: left, top, right, bottom."""


def photograph(name: str) -> Tensor:
    """Return (1, 3, H, W) uint8 RGB in channels-last memory: NASA's astronaut, or Grace Hopper."""
    return torch.from_numpy(_pixels(name).copy()).permute(2, 0, 1)[None]


@cache
def _pixels(name: str) -> np.ndarray:
    if name == "astronaut":
        return astronaut()
    return np.array(Image.open(GRACE_HOPPER).convert("RGB"))


def network_input(name: str, network: str, size: tuple[int, int]) -> Tensor:
    """Return (1, 3, *size) float32 as `network` wants it; pixels are left out, none are mixed."""
    picture = photograph(name)
    if network == "face_mesh":
        left, top, right, bottom = FACES[name]
        picture = picture[:, :, top:bottom, left:right]
    rows = torch.arange(size[0]) * picture.shape[2] // size[0]
    columns = torch.arange(size[1]) * picture.shape[3] // size[1]
    picture = picture[:, :, rows][:, :, :, columns].float() / 255
    return picture * 2 - 1 if network in ("face_near", "face_far", "body_box") else picture
