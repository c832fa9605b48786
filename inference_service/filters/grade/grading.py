"""A look as three steps that cost little: curves in, a matrix, curves out.

    byte -> curve of its channel (256 values) -> 3 x 3 matrix -> curve of its channel (256 values) -> byte

The first curves hold the ASC CDL's slope, offset and power, white balance and contrast; the matrix is its
saturation (luma of ITU-R BT.709-6, 3.2); the second curves hold the tints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference_service.filters.grade.looks import Look

Bytes = NDArray[np.uint8]
LUMA = np.array([0.2126, 0.7152, 0.0722])
"""Of red, green and blue, ITU-R BT.709-6, 3.2."""
_WARMEST = np.array([0.14, 0.02, -0.16])
"""Added to the slopes at full warmth."""
_STEEPNESS = 7.0
"""Of the S-curve at full contrast."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a page may add to a look: each -1..1, 0 leaves the look as it is."""

    warmth: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    exposure: float = 0.0
    """In stops of light, for a camera's gamma of 1 / 2.2."""


@dataclass(frozen=True, slots=True)
class Grading:
    """`first` and `last` are (256, 3) uint8 by channel, R G B; `matrix` (3, 3) float32 maps RGB to RGB."""

    first: Bytes
    matrix: NDArray[np.float32]
    last: Bytes


def grading(look: Look, wish: Wish) -> Grading:
    """Return the steps of a look with what a page adds."""
    levels = np.linspace(0.0, 1.0, 256)[:, None]
    gain = 2.0 ** (wish.exposure / 2.2)
    slope = np.array(look.slope) * gain * (1 + wish.warmth * _WARMEST)
    graded = np.clip(levels * slope + np.array(look.offset), 0, 1) ** np.array(look.power)
    first = s_curve(graded, float(np.clip(look.contrast + wish.contrast, -1, 1)))
    saturation = look.saturation * (1 + wish.saturation)
    matrix = (1 - saturation) * np.tile(LUMA, (3, 1)) + saturation * np.eye(3)
    # Quadratic, so that each tint has left the middle when the other begins.
    last = (
        levels * np.array(look.tint)
        + (1 - levels) ** 2 * np.array(look.shadows)
        + levels**2 * np.array(look.highlights)
    )
    return Grading(_bytes(first), matrix.astype(np.float32), _bytes(last))


def s_curve(values: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """Return values in 0..1 with more contrast (strength over 0) or less; 0, 1/2 and 1 stay where they are.

    A logistic curve scaled to meet the corners; below zero its inverse.
    """
    if abs(strength) < 1e-6:
        return values
    steep = abs(strength) * _STEEPNESS
    low, high = _logistic(-steep / 2), _logistic(steep / 2)
    if strength > 0:
        return (_logistic(steep * (values - 0.5)) - low) / (high - low)
    between = low + values * (high - low)
    return 0.5 + np.log(between / (1 - between)) / steep


def vignette(height: int, width: int, strength: float) -> Bytes:
    """Return (height, width) uint8: 255 in the middle, darker outwards by the cosine-fourth law of lenses."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    # At full strength the corners lie 50 degrees off the axis and keep a sixth of the light.
    tangent = strength * np.tan(np.radians(50)) * np.sqrt((x**2 + y**2) / 2)
    return _bytes((1 / (1 + tangent**2)) ** (2 / 2.2))


def _logistic(x: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.asarray(x))))


def _bytes(values: NDArray[np.float64]) -> Bytes:
    return np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)
