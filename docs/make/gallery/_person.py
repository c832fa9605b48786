"""The person of the photograph, by the network of the project: torchvision's weights may not be at hand."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.photograph import Image
from inference_service.filters.vision import levels
from inference_service.filters.vision.networks.people.person_mask import PersonMask
from inference_service.filters.vision.networks.segmenter import CLASSES, PERSON
from inference_service.filters.vision.people import matte

STRIDE = 8
"""Pixels of the network's input for one of its maps: they are made as coarse as lraspp makes them."""
SURE = 8.0
"""The logit of what is certain."""


def mask(image_rgb: Image) -> NDArray[np.float32]:
    """Return (H, W) in 0..1: the share of the person in each pixel of the photograph."""
    picture = torch.from_numpy(image_rgb.copy()).permute(2, 0, 1)[None]
    luma = levels.luma(picture)
    found = PersonMask("general", torch.device("cpu"))(picture)
    rough = torch.nn.functional.interpolate(found, levels.size_of(luma), mode="bilinear", align_corners=False)
    share = matte.guided(luma, rough).at(luma).clamp(0, 1)
    return np.asarray(share[0, 0].numpy(), np.float32)


def box(share: NDArray[np.float32]) -> tuple[tuple[float, float, float, float], float]:
    """Return (left, top, right, bottom) of the largest piece of a mask, and the mean share in it."""
    count, labels, sizes, _ = cv2.connectedComponentsWithStats((share > 0.5).astype(np.uint8))
    if count < 2:
        raise ValueError("nobody is in the photograph")
    largest = 1 + int(sizes[1:, cv2.CC_STAT_AREA].argmax())
    left, top, width, height = (float(one) for one in sizes[largest, : cv2.CC_STAT_AREA])
    return (left, top, left + width, top + height), float(share[labels == largest].mean())


def logits(share: NDArray[np.float32], input_size: tuple[int, int]) -> Tensor:
    """Return (1, 21, h, w): maps as of the network for an input of (height, width), person and background."""
    height, width = (side // STRIDE for side in input_size)
    small = torch.from_numpy(cv2.resize(share, (width, height), interpolation=cv2.INTER_AREA))
    maps = torch.full((1, CLASSES, height, width), -SURE)
    maps[0, PERSON] = (2 * small - 1) * SURE
    maps[0, 0] = -maps[0, PERSON]
    return maps
