"""The look that the ink network learns: flat paint inside, dark lines along edges.

Far too slow for a live frame (about 0.1 s each at 640x480); needed for training and for the figures
in the README, never while serving.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

SMOOTHING_PASSES = 4
SMOOTHING_RANGE = 9.0
"""How far two colours may lie apart, in CIELAB units, and still be painted as one."""
SMOOTHING_REACH_PX = 3.0
SHADE_STEP = 25.0
"""Lightness (CIELAB, 0 to 100) from one shade of paint to the next."""
SHADE_SHARE = 0.75
"""1 makes shades quite flat; below it a hint of the light remains, and noise grows less between shades."""
SATURATION = 1.4
LINE_SIGMA_PX = 1.6
LINE_RATIO = 1.7
LINE_FAINTEST, LINE_FULL = 0.008, 0.035
"""Difference of Gaussians, as a share of full lightness, where a line begins and where it is full."""
INK_OPACITY = 0.88


def paint_and_ink(
    image_rgb: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the paint, (H, W, 3) float32 RGB in [0, 1], and the ink over it, (H, W) in [0, 1].

    `image_rgb` is (H, W, 3) uint8. Follows Winnemoeller, Olsen and Gooch, "Real-time video
    abstraction" (2006): repeated bilateral filtering in CIELAB, soft quantisation of lightness, and
    lines on the dark side of a difference of Gaussians.
    """
    lab = np.asarray(cv2.cvtColor(image_rgb.astype(np.float32) / 255, cv2.COLOR_RGB2Lab), np.float32)
    smooth = lab
    for _ in range(SMOOTHING_PASSES):
        smooth = np.asarray(cv2.bilateralFilter(smooth, 9, SMOOTHING_RANGE, SMOOTHING_REACH_PX), np.float32)
    ink = _lines(lab, smooth)
    painted = np.dstack((_shades(smooth[..., 0]), smooth[..., 1:] * SATURATION)).astype(np.float32)
    paint = np.clip(cv2.cvtColor(painted, cv2.COLOR_Lab2RGB), 0, 1)
    return np.asarray(paint, np.float32), ink


def stylise(image_rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the finished picture, (H, W, 3) uint8 RGB, paint under ink."""
    paint, ink = paint_and_ink(image_rgb)
    return np.asarray(paint * (1 - ink[..., None]) * 255 + 0.5, np.uint8)


def _shades(lightness: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return `lightness` drawn towards the nearest shade, with a soft rise between shades."""
    swing = SHADE_SHARE * SHADE_STEP / (2 * np.pi) * np.sin(lightness * (2 * np.pi / SHADE_STEP))
    return np.asarray(np.clip(52 + (lightness - swing - 50) * 1.06, 0, 100), np.float32)


def _lines(lab: npt.NDArray[np.float32], smooth: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    # Half of the lightness is smoothed less, so that thin features of a face still leave a line.
    lightness = (cv2.bilateralFilter(lab, 7, 12.0, 2.0)[..., 0] + smooth[..., 0]) / 2
    fine = cv2.GaussianBlur(lightness, (0, 0), LINE_SIGMA_PX)
    coarse = cv2.GaussianBlur(lightness, (0, 0), LINE_SIGMA_PX * LINE_RATIO)
    rise = np.clip(((coarse - fine) / 100 - LINE_FAINTEST) / (LINE_FULL - LINE_FAINTEST), 0, 1)
    return np.asarray(rise * rise * (3 - 2 * rise) * INK_OPACITY, np.float32)
