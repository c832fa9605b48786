"""Pictures for the tests: rough noise, in which the narrow network finds overlapping people of all sizes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inference_service.filters.base import Item
from inference_service.filters.densepose import DensePose

Image = npt.NDArray[np.uint8]


def scene(size: tuple[int, int], seed: int) -> Image:
    """Return an RGB picture of `size` (height, width)."""
    height, width = size
    rough = np.random.default_rng(seed).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def batch_of(*images: Image) -> Tensor:
    """Return (N, 3, H, W) as the worker gives it to a filter."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def items(*params: DensePose.Params) -> list[Item]:
    return [Item(session=bytes([number]), sequence=0, params=one) for number, one in enumerate(params)]


def filtered(one: DensePose, *images: Image, **params: Any) -> list[Image]:
    """Return the RGB pictures that the filter makes, all with the same parameters."""
    result = one.apply(batch_of(*images), items(*[one.Params(**params)] * len(images)))
    return [image(picture) for picture in result]


def image(picture: Tensor) -> Image:
    """Return (H, W, 3) uint8 of one finished picture, as the worker rounds it."""
    return np.asarray(picture.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy())
