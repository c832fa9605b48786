"""Whole pictures into a network's input, and points back out of it.

Points are (x, y) in pixels, x right, y down, (0, 0) the outer corner of the first pixel, whose centre is
(0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.device.kernels.twin import Twin, kernel_of
from inference_service.filters.vision import levels
from inference_service.filters.vision.levels import Size


@dataclass(frozen=True, slots=True)
class Fit:
    """Where pictures of one size lie in a network's input; sizes are (height, width)."""

    picture: tuple[int, int]
    inside: tuple[int, int]
    """What the picture is resized to."""
    offset: tuple[int, int]
    """(left, top) of that in the input."""
    size: tuple[int, int]
    """The network's input; what the picture does not cover is black."""

    @classmethod
    def stretched(cls, picture: tuple[int, int], size: tuple[int, int]) -> Fit:
        """Return the fit that fills the input and may change the picture's proportions."""
        return cls(picture, size, (0, 0), size)

    @classmethod
    def letterboxed(cls, picture: tuple[int, int], size: tuple[int, int]) -> Fit:
        """Return the largest fit that keeps the picture's proportions, in the middle."""
        scale = min(size[0] / picture[0], size[1] / picture[1])
        height, width = (max(1, round(side * scale)) for side in picture)
        return cls(picture, (height, width), ((size[1] - width) // 2, (size[0] - height) // 2), size)

    def apply(self, pictures: Tensor, low: float, high: float) -> Tensor:
        """Return (N, 3, *size) float32 of (N, 3, *picture) in [0, 255], which become [low, high].

        Plainly bilinear, without a filter against aliasing: the networks were trained on such pictures, and
        the person masks are worse with one (docs/networks.md). In channels-last memory where the pictures
        are.
        """
        return FITTED(pictures, self.inside, self.offset, self.size, float(low), float(high))

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the picture across and down for one of the input: `(place - offset) * scale`."""
        return self.picture[1] / self.inside[1], self.picture[0] / self.inside[0]


def _fitted_by_torch(
    pictures: Tensor, inside: Size, offset: tuple[int, int], size: Size, low: float, high: float
) -> Tensor:
    if pictures.dtype == torch.uint8 and pictures.is_cpu:
        small = levels.stretched(pictures, inside)
    else:
        small = nnf.interpolate(pictures.float(), inside, mode="bilinear", align_corners=False)
    values = small.float().mul((high - low) / 255).add_(low)
    if inside == size:
        return values
    (left, top), (height, width) = offset, inside
    padding = (left, size[1] - width - left, top, size[0] - height - top)
    return nnf.pad(values, padding, value=low)


def _samples(device: torch.device) -> list[tuple[object, ...]]:
    levels = torch.rand((4, 3, 480, 640), device=device).mul_(255)
    levels = levels.contiguous(memory_format=torch.channels_last)
    of_types = levels.to(torch.uint8), levels, levels.half()
    return [(one, (96, 128), (0, 16), (128, 128), -1.0, 1.0) for one in of_types]


FITTED = Twin(
    "fitted",
    _fitted_by_torch,
    kernel_of("inference_service.filters.vision.kernels.resizing", "fitted"),
    _samples,
    off=0.01,
)
