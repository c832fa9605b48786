"""A photograph of a person, and what a good network would say of it: a mask made by hand and by GrabCut.

The photograph is `grace_hopper.jpg` of matplotlib's sample data: Grace Hopper, by James S. Davis, U.S. Navy,
in the public domain. GrabCut: C. Rother, V. Kolmogorov, A. Blake, SIGGRAPH 2004, as OpenCV has it.
"""

from __future__ import annotations

import cv2
import numpy as np
from matplotlib import cbook
from numpy.typing import NDArray

SIZE = (640, 480)
"""(width, height) of the camera that the photograph stands for."""
CLASSES = 21
PERSON = 15

Levels = NDArray[np.uint8]


def photograph() -> Levels:
    """Return the photograph, cut to a camera's shape: (480, 640, 3) uint8 RGB."""
    path = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    whole = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert whole is not None
    height, width = whole.shape[:2]
    cut = whole[: width * SIZE[1] // SIZE[0]]
    resized: Levels = cv2.resize(cut, SIZE, interpolation=cv2.INTER_AREA)
    assert height > len(cut)
    return resized


def person_mask(image_rgb: Levels) -> NDArray[np.float32]:
    """Return (480, 640) in 0..1: the person of `photograph`, by strokes given by hand."""
    marks = np.full(image_rgb.shape[:2], cv2.GC_BGD, np.uint8)
    for outline, mark in STROKES:
        cv2.fillPoly(marks, [np.array(outline, np.int32)], int(mark))
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(image_rgb, marks, None, *models, 6, cv2.GC_INIT_WITH_MASK)
    found = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    smooth: NDArray[np.float32] = cv2.GaussianBlur(found, (0, 0), 2.0)
    return smooth
