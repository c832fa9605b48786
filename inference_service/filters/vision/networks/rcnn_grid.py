"""What depends on the size of the pictures alone, for torchvision's Faster R-CNN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inference_service.filters.vision.networks.boxes import clip
from inference_service.filters.vision.networks.pooling import Levels


@dataclass(frozen=True, slots=True)
class Grid:
    """Made once per size of pictures; sizes are (height, width)."""

    picture: tuple[int, int]
    network: tuple[int, int]
    """The size to which the picture is brought."""
    padding: tuple[int, int]
    """Rows below and columns at the right that make it a multiple of the largest stride."""
    anchors: tuple[Tensor, ...]
    """Per level (cells * anchors of a cell, 4) float32."""
    levels: Levels
    """Those that regions are pooled from."""

    @classmethod
    def of(
        cls,
        size: tuple[int, int],
        rpn: Any,
        transform: Any,
        strides: Sequence[int],
        pooled: Sequence[int],
        device: torch.device,
    ) -> Grid:
        """Prepare for pictures of `size`; copies to the device.

        `rpn` and `transform` are torchvision's; `strides` of all levels, `pooled` the numbers of those that
        regions are pooled from.
        """
        from torchvision.models.detection.image_list import ImageList

        network = network_size(size, transform.min_size[-1], transform.max_size)
        divisor = transform.size_divisible
        padding = (-network[0] % divisor, -network[1] % divisor)
        padded = (network[0] + padding[0], network[1] + padding[1])
        # Each level halves the one before, rounding up where that is odd.
        shapes = [(-(-padded[0] // stride), -(-padded[1] // stride)) for stride in strides]
        images = ImageList(torch.empty(1).expand(1, 3, *padded), [network])
        (anchors,) = rpn.anchor_generator(images, [torch.empty(1).expand(1, 1, *one) for one in shapes])
        each = rpn.anchor_generator.num_anchors_per_location()
        counts = [height * width * many for (height, width), many in zip(shapes, each, strict=True)]
        levels = Levels.of(
            [shapes[number] for number in pooled], [strides[number] for number in pooled], device
        )
        return cls(size, network, padding, tuple(anchors.to(device).split(counts)), levels)

    def to_picture(self, boxes: Tensor) -> Tensor:
        """Return boxes (..., 4) of the network's input in pixels of the picture, clipped to it."""
        (height, width), (network_height, network_width) = self.picture, self.network
        in_picture = torch.stack(
            (boxes[..., 0::2] * (width / network_width), boxes[..., 1::2] * (height / network_height)), dim=-1
        ).flatten(-2)
        return clip(in_picture, self.picture)


def network_size(size: tuple[int, int], short_side: int, long_side: int) -> tuple[int, int]:
    """Return (height, width) for a picture of `size`, as torchvision's GeneralizedRCNNTransform scales it."""
    scale = min(short_side / min(size), long_side / max(size))
    return int(size[0] * scale), int(size[1] * scale)
