"""Pictures for encoders, and how near what comes out is to what went in."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import av
import cv2
import numpy as np
import numpy.typing as npt

from harness.photograph import GRACE_HOPPER

Planes = npt.NDArray[np.uint8]
"""I420, (H * 3 / 2, W)."""

FPS = 30
_CLOCK_RATE = 90_000


def panning(size: tuple[int, int], count: int) -> list[Planes]:
    """Return pictures of (width, height) of a camera that pans over a photograph, 2 pixels a frame.

    They carry a sensor's noise of sigma 2, and are the same in every run. They are made once; write to none.
    """
    return list(_panning(size, count))


@cache
def _panning(size: tuple[int, int], count: int) -> tuple[Planes, ...]:
    width, height = size
    photograph_bgr = cv2.imread(str(GRACE_HOPPER))
    assert photograph_bgr is not None
    scale = max((width + 2 * count) / photograph_bgr.shape[1], (height + count) / photograph_bgr.shape[0])
    large = cv2.resize(photograph_bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    random = np.random.default_rng(0)
    made = []
    for number in range(count):
        bgr = large[number : number + height, 2 * number : 2 * number + width].astype(np.float32)
        noisy = np.clip(bgr + random.normal(0, 2, bgr.shape), 0, 255).astype(np.uint8)
        made.append(np.asarray(cv2.cvtColor(noisy, cv2.COLOR_BGR2YUV_I420), np.uint8))
    return tuple(made)


def frame_of(planes: Planes, number: int) -> av.VideoFrame:
    """Return a frame of 30 fps whose pts is no multiple of a frame's length, as a camera's are not."""
    frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
    frame.pts, frame.time_base = number * _CLOCK_RATE // FPS + number % 7, Fraction(1, _CLOCK_RATE)
    return frame


def luma_psnr_db(given: Planes, shown: Planes) -> float:
    """Return the peak signal-to-noise ratio of brightness."""
    rows = given.shape[0] * 2 // 3
    return psnr_db(given[:rows], shown[:rows])


def psnr_db(given: npt.NDArray[np.uint8], shown: npt.NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio of two uint8 pictures of one shape."""
    return float(10 * np.log10(255**2 / np.mean((given.astype(np.float64) - shown) ** 2)))
