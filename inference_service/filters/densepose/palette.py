"""What the body parts look like: colours by OpenCV's maps, one lookup table per set of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import cv2
import numpy as np
import torch
from torch import Tensor

from inference_service.filters.vision.rows import upload

PARTS = 24
"""DensePose's labels are 1 to 24; 0 is the background."""

ColourMap = Literal[
    "viridis", "parula", "jet", "turbo", "inferno", "plasma", "magma", "cividis",
    "hot", "bone", "rainbow", "ocean", "twilight",
]  # fmt: skip

Part = Literal[
    "torso", "right hand", "left hand", "left foot", "right foot",
    "right upper leg", "left upper leg", "right lower leg", "left lower leg",
    "left upper arm", "right upper arm", "left lower arm", "right lower arm", "head",
]  # fmt: skip

LABELS: dict[Part, tuple[int, ...]] = {
    "torso": (1, 2),
    "right hand": (3,),
    "left hand": (4,),
    "left foot": (5,),
    "right foot": (6,),
    "right upper leg": (7, 9),
    "left upper leg": (8, 10),
    "right lower leg": (11, 13),
    "left lower leg": (12, 14),
    "left upper arm": (15, 17),
    "right upper arm": (16, 18),
    "left lower arm": (19, 21),
    "right lower arm": (20, 22),
    "head": (23, 24),
}
"""By the order in which DensePose-COCO numbers the front and back halves of its parts."""

assert set(LABELS) == set(get_args(Part))


@dataclass(frozen=True, slots=True)
class Look:
    """How one session wants its picture drawn; hashable, so that its table is made once."""

    over_camera: bool
    alpha: float
    colour_map: ColourMap
    parts: tuple[Part, ...]
    """Empty: all of them."""


def table(look: Look) -> Tensor:
    """Return (25, 4) float32, one row per label: R, G, B to add, and the share of the camera that stays.

    The background of a drawing that does not show the camera is the colour map's first colour.
    """
    levels = np.arange(256, dtype=np.uint8)
    code = getattr(cv2, f"COLORMAP_{look.colour_map.upper()}")
    colours_rgb = cv2.applyColorMap(levels[:, None], code)[:, 0, ::-1].astype(np.float32)
    # Cut, not rounded, as DensePose's visualiser does.
    places = np.arange(PARTS + 1) * 255 // PARTS
    shown = {label for part in look.parts for label in LABELS[part]} or set(range(1, PARTS + 1))
    alpha = np.array([look.alpha if label in shown else 0.0 for label in range(PARTS + 1)], np.float32)
    rows = np.zeros((PARTS + 1, 4), np.float32)
    rows[:, :3] = colours_rgb[places] * alpha[:, None]
    if look.over_camera:
        rows[:, 3] = 1 - alpha
    else:
        rows[:, :3] += colours_rgb[0] * (1 - alpha[:, None])
    return torch.from_numpy(rows)


class Palette:
    """Tables, each made once, and moved up in one piece. One thread only."""

    def __init__(self, device: torch.device, dtype: torch.dtype, max_kept: int = 256) -> None:
        self._device = device
        self._dtype = dtype
        self._one = lru_cache(max_kept)(lambda look: table(look).numpy())

    def stack(self, wishes: Sequence[tuple[Look, float]]) -> tuple[Tensor, Tensor]:
        """Return (N, 25, 4) tables and (N,) float32 lowest scores on the device, without waiting for it."""
        tables = np.stack([self._one(look) for look, _ in wishes])
        scores = np.array([score for _, score in wishes], np.float32)
        return upload(tables, self._device).to(self._dtype), upload(scores, self._device)
