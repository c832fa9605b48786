"""What depends on the size of the pictures alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inference_service.filters.densepose.resize import Blend
from inference_service.filters.vision.networks.boxes import clip
from inference_service.filters.vision.networks.pooling import Levels

LONGEST_SIDE = 1333
"""As detectron2's INPUT.MAX_SIZE_TEST: a wide picture is made smaller than its short side asks for."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Made once per size of pictures; sizes are (height, width)."""

    picture: tuple[int, int]
    network: tuple[int, int]
    """The size to which the picture is brought, along rows and along columns."""
    across: Blend | None
    down: Blend | None
    padding: tuple[int, int]
    """Rows below and columns at the right that make it a multiple of the largest stride."""
    anchors: tuple[Tensor, ...]
    """Per level (cells * 3, 4) float32."""
    levels: Levels
    """Those that people are pooled from."""
    finest: Levels
    """The one that `decode` returns."""

    def to_picture(self, boxes: Tensor) -> Tensor:
        """Return boxes (..., 4) of the network's input in pixels of the picture, clipped to it."""
        (height, width), (network_height, network_width) = self.picture, self.network
        across, down = (
            boxes[..., 0::2] * (width / network_width),
            boxes[..., 1::2] * (height / network_height),
        )
        return clip(torch.stack((across, down), dim=-1).flatten(-2), self.picture)


def network_size(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Return (height, width) for a picture of `size`: short side as asked for, the other in proportion."""
    height, width = size
    scale = short_side / min(height, width)
    new_height, new_width = (short_side, scale * width) if height < width else (scale * height, short_side)
    longest = max(new_height, new_width)
    if longest > LONGEST_SIDE:
        new_height, new_width = (side * (LONGEST_SIDE / longest) for side in (new_height, new_width))
    return int(new_height + 0.5), int(new_width + 0.5)
