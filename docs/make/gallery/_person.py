"""What a good network would say of the photograph: a mask by GrabCut from outlines given by hand.

GrabCut: C. Rother, V. Kolmogorov, A. Blake, SIGGRAPH 2004, as OpenCV has it.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.photograph import Image
from inference_service.filters.vision.networks.segmenter import CLASSES, PERSON

STRIDE = 8
"""Pixels of the network's input for one of its maps: they are made as coarse as lraspp makes them."""
SURE = 8.0
"""The logit of what is certain."""

MAYBE = (
    (50, 479), (60, 455), (150, 400), (215, 375), (238, 352), (220, 335), (196, 310), (190, 270),
    (185, 230), (182, 160), (176, 120), (182, 85), (205, 55), (225, 15), (260, -5), (400, -5),
    (448, 30), (462, 70), (474, 110), (474, 160), (478, 220), (470, 280), (460, 330), (425, 355),
    (470, 380), (560, 410), (620, 440), (639, 479),
)  # fmt: skip
SURELY = (
    (80, 479), (165, 418), (235, 385), (258, 362), (240, 325), (215, 295), (204, 240), (205, 200),
    (212, 165), (197, 150), (194, 110), (222, 60), (236, 32), (268, 14), (290, 2), (362, 2),
    (392, 14), (424, 40), (450, 85), (457, 130), (452, 195), (458, 225), (448, 270), (432, 310),
    (412, 345), (420, 375), (480, 402), (560, 430), (600, 479),
)  # fmt: skip


def mask(image_rgb: Image) -> NDArray[np.float32]:
    """Return (480, 640) in 0..1: the share of the person in each pixel of the photograph."""
    marks = np.full(image_rgb.shape[:2], cv2.GC_BGD, np.uint8)
    cv2.fillPoly(marks, [np.array(MAYBE, np.int32)], cv2.GC_PR_BGD)
    cv2.fillPoly(marks, [np.array(SURELY, np.int32)], cv2.GC_FGD)
    cv2.setRNGSeed(0)
    whole = (0, 0, image_rgb.shape[1], image_rgb.shape[0])
    cv2.grabCut(image_rgb, marks, whole, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
    found = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return np.asarray(cv2.medianBlur(found, 5), np.float32)


def logits(share: NDArray[np.float32], input_size: tuple[int, int]) -> Tensor:
    """Return (1, 21, h, w): the network's maps for an input of (height, width), all person and background."""
    height, width = (side // STRIDE for side in input_size)
    small = torch.from_numpy(cv2.resize(share, (width, height), interpolation=cv2.INTER_AREA))
    maps = torch.full((1, CLASSES, height, width), -SURE)
    maps[0, PERSON] = (2 * small - 1) * SURE
    maps[0, 0] = -maps[0, PERSON]
    return maps
