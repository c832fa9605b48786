"""Regions of one size cut out of pictures; where they lie is found by a recording on a GPU."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import regions
from inference_service.filters.vision.networks.people.recordable import Steps, floats
from inference_service.filters.vision.rows import upload

MOST_ROWS = 32
"""Regions whose places are recorded together, or what is seen in them; a mesh's places take 0.3 MB."""
MOST_SIZES = 32


class Cutter:
    """Does as `regions.cut`."""

    def __init__(self, device: torch.device, size: int) -> None:
        """`size` of what is cut out, in pixels."""
        self._device = device
        self._size = size
        places = partial(_places, size=size)
        self._places = Steps(device, places, floats(4), floats(), floats(4), most=MOST_ROWS, is_lent=True)
        self._limits = lru_cache(MOST_SIZES)(self._limits_of)

    def __call__(self, pictures: Tensor, where: Tensor, owners: Tensor) -> Tensor:
        """Return (K, 3, size, size) float32 of pictures (N, 3, H, W); see `regions.cut`."""
        if pictures.is_cpu:
            return regions.cut(pictures, where, owners, self._size)
        n, _, height, width = pictures.shape
        limits = self._limits(n, height, width).expand(len(where), -1)
        (places,) = self._places(where.float(), owners * height, limits)
        return regions.sampled(pictures, places)

    def _limits_of(self, n: int, height: int, width: int) -> Tensor:
        return upload(np.array([regions.limits_of(n, height, width)], np.float32), self._device)


def _places(where: Tensor, above: Tensor, limits: Tensor, *, size: int) -> tuple[Tensor]:
    return (regions.places(where, above, limits, size),)
