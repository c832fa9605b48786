"""What `background` sees of pictures besides persons; on a CPU while the network looks for those."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from inference_service.filters.vision import levels

SMALL_LINES = 240
"""Lines of the picture in which edges are found, about; it is a whole number of times as small."""


class Views(NamedTuple):
    """Of N pictures."""

    tiny: Tensor
    """(N, 3, h / 2, w / 2) uint8 RGB."""
    small_luma: Tensor
    """(N, 1, h, w) float32, levels in 0..255, of `small_size`."""
    grey: Tensor
    """(N, 1, H, W) uint8 luma."""


def views_of(batch: Tensor) -> Views:
    """Return the views of (N, 3, H, W) uint8 RGB pictures."""
    small = levels.shrunk(batch, small_size(levels.size_of(batch)))
    tiny = levels.shrunk(small, _halved(levels.size_of(small)))
    return Views(tiny, levels.luma(small), levels.grey(batch))


def small_size(size: levels.Size) -> levels.Size:
    """Return (height, width) of the picture in which edges are found."""
    times = max(1, round(min(size) / SMALL_LINES))
    height, width = (max(1, round(side / times)) for side in size)
    return height, width


def _halved(size: levels.Size) -> levels.Size:
    height, width = (max(1, side // 2) for side in size)
    return height, width
