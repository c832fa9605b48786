"""A camera picture that carries a number and a name, both readable after every filter and codec.

What a person before a still wall is to an encoder: a texture with a sensor's noise, whose middle third moves.
Over it lie a patch of one colour and a band of cells:

    +-----+------+----------+------------+
    |patch|      |          |            |     patch: 1/8 of the width, 1/6 of the height, PATCH_RGB
    +-----+      |          |            |
    |  texture   |  moves   |            |
    |            |          |            |
    +--+--+--+--+--+--+--+--+--+--+--+--++     band: 2 rows of 16 cells, each row 1/12 of the height
    |B |W | counter, 10 bits  | mark high|
    +--+--+--+--+--+--+--+--+--+--+--+--++
    |W |B | mark low | check, 10 bits    |     B black, W white; a set bit is white
    +--+--+--+--+--+--+--+--+--+--+--+--++

The references B and W give the threshold and say whether the picture came back inverted. `pages/reader.js`
reads the same cells in the browser.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.y4m import write_y4m

Bytes = NDArray[np.uint8]

COUNTERS = 1024
MARKS = 256
PATCH_RGB = (200, 60, 30)
FPS = 30
LOOP_S = 10
"""Length of a camera's file, which `pages/reader.js` knows too."""
LOOP_FRAMES = LOOP_S * FPS

_COLUMNS = 16
_CHECK_PRIME = 1021
_BLACK, _WHITE = 16, 235
_MIN_CONTRAST = 50
_NOISES = 7
_POINTS_A_CELL = 4
_POINTS = np.add.outer(np.arange(_COLUMNS), np.linspace(0.25, 0.75, _POINTS_A_CELL)).ravel()
"""Where cells are looked at, along either axis, in units of a cell: their middle half, free of ringing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a picture said."""

    counter: int
    mark: int
    is_inverted: bool


def check(counter: int, mark: int) -> int:
    """Return 10 bits that differ for every single wrong bit, and for most others."""
    return (counter * 677 + mark * 331 + 85) % _CHECK_PRIME


class Picture:
    """Draws the frames of one camera."""

    def __init__(self, width: int = 640, height: int = 480, mark: int = 0, noise: float = 2.0) -> None:
        """`width` a multiple of 32, `height` of 24; `noise` is the sensor's, as a standard deviation."""
        self.width, self.height, self.mark = width, height, mark
        random = np.random.default_rng(mark)
        self._luma = _texture(random, height * 2, width * 2)
        self._chroma = [_texture(random, height, width) // 2 + 64 for _ in range(2)]
        self._noise = random.normal(0, noise, (_NOISES, height, width)).astype(np.int8)
        self._patch_yuv = _yuv(PATCH_RGB)

    def frame(self, counter: int) -> Bytes:
        """Return I420 planes, BT.601 limited range, as one (H * 3 / 2, W) array of uint8."""
        width, height = self.width, self.height
        across, down = counter * 4 % width // 2 * 2, counter * 2 % height // 2 * 2
        planes = np.empty((height * 3 // 2, width), np.uint8)
        luma = planes[:height]
        scene = self._luma[:height, :width] + self._noise[counter % _NOISES]
        left, right = width // 3 & ~1, width * 2 // 3 & ~1
        moved = self._luma[down : down + height, across + left : across + right]
        scene[:, left:right] += moved - self._luma[:height, left:right]
        np.clip(scene, _BLACK, _WHITE, out=luma, casting="unsafe")
        chroma = planes[height:].reshape(2, height // 2, width // 2)
        rows, columns = (
            slice(down // 2, (down + height) // 2),
            slice((across + left) // 2, (across + right) // 2),
        )
        for plane, texture in zip(chroma, self._chroma, strict=True):
            plane[:] = texture[: height // 2, : width // 2]
            plane[:, left // 2 : right // 2] = texture[rows, columns]
        luma[: height // 6, : width // 8] = self._patch_yuv[0]
        chroma[0, : height // 12, : width // 16] = self._patch_yuv[1]
        chroma[1, : height // 12, : width // 16] = self._patch_yuv[2]
        band = luma[height * 5 // 6 :].reshape(2, height // 12, _COLUMNS, width // _COLUMNS)
        band[:] = np.where(_cells(counter % COUNTERS, self.mark), _WHITE, _BLACK)[:, None, :, None]
        chroma[:, height * 5 // 12 :] = 128
        return planes


def read(luma: Bytes) -> Reading | None:
    """Return what the (H, W) luma plane of a picture of any size says, or None where there is no band."""
    height, width = luma.shape
    rows = (height * 5 / 6 + height / 12 * _POINTS[: 2 * _POINTS_A_CELL]).astype(int)
    columns = (width / _COLUMNS * _POINTS).astype(int)
    points = luma[np.ix_(rows, columns)].reshape(2, _POINTS_A_CELL, _COLUMNS, _POINTS_A_CELL)
    cells = points.mean(axis=(1, 3))
    black = cells[0, 0] + cells[1, 1]
    white = cells[0, 1] + cells[1, 0]
    if abs(white - black) < 2 * _MIN_CONTRAST:
        return None
    if (cells[0, 1] > cells[0, 0]) != (cells[1, 0] > cells[1, 1]):
        return None
    is_inverted = bool(white < black)
    bits = (cells > (black + white) / 4) != is_inverted
    counter, mark = _number(bits[0, 2:12]), _number(np.concatenate((bits[0, 12:], bits[1, 2:6])))
    if _number(bits[1, 6:]) != check(counter, mark):
        return None
    return Reading(counter, mark, is_inverted)


def write_camera(path: Path, picture: Picture, fps: int = FPS) -> None:
    """Write a loop of LOOP_S for Chromium's camera; its counter wraps then."""
    frames = (picture.frame(counter) for counter in range(LOOP_S * fps))
    write_y4m(path, (picture.width, picture.height), fps, frames)


def _cells(counter: int, mark: int) -> NDArray[np.bool_]:
    top = [False, True, *_bits(counter, 10), *_bits(mark >> 4, 4)]
    bottom = [True, False, *_bits(mark & 15, 4), *_bits(check(counter, mark), 10)]
    return np.array([top, bottom])


def _bits(number: int, count: int) -> list[bool]:
    return [bool(number >> place & 1) for place in reversed(range(count))]


def _number(bits: NDArray[np.bool_]) -> int:
    return int("".join("1" if bit else "0" for bit in bits), 2)


def _texture(random: np.random.Generator, height: int, width: int) -> NDArray[np.int16]:
    """Blobs of several sizes; (H, W), the first half of each axis repeated, so that panning can wrap."""
    texture = np.zeros((height // 2, width // 2))
    for size, strength in ((32, 40.0), (8, 24.0), (4, 14.0)):
        shape = (height // 2 // size + 1, width // 2 // size + 1)
        blobs = np.kron(random.uniform(-1, 1, shape), np.ones((size, size)))
        texture += strength * blobs[: height // 2, : width // 2]
    return np.tile((texture + 125).astype(np.int16), (2, 2))


def _yuv(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """Convert by ITU-R BT.601, limited range."""
    red, green, blue = (value / 255 for value in rgb)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        round(16 + 219 * luma),
        round(128 + 224 * (blue - luma) / 1.772),
        round(128 + 224 * (red - luma) / 1.402),
    )
