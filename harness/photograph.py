"""Photographs of a person as a camera would frame them.

They are matplotlib's sample `grace_hopper.jpg` and scikit-image's `astronaut`, with which this project has
trained no network.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

SIZE = (640, 480)


def _file_of(package: str, *path: str) -> Path:
    """Return a file of a package without importing the package, which takes a second of CPU."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no package {package}, whose pictures tests use", name=package)
    return Path(spec.origin).parent.joinpath(*path)


GRACE_HOPPER = _file_of("matplotlib", "mpl-data", "sample_data", "grace_hopper.jpg")


def read_photo(path: Path = GRACE_HOPPER, top: float = 0.15, size: tuple[int, int] = SIZE) -> Image:
    """Return a photograph cut to `size` (width, height); of the spare height, `top` is cut off above."""
    image_bgr = cv2.imread(str(path))
    if image_bgr is None:
        raise SystemExit(f"no picture can be read from {path}")
    return framed(np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8), top, size)


def read_astronaut(size: tuple[int, int] = SIZE) -> Image:
    """Return NASA's portrait of Eileen Collins, who shows her arms too, cut to `size` (width, height)."""
    return framed(astronaut(), 0.0, size)


@cache
def astronaut() -> Image:
    """Return that portrait whole, 512x512; write not into it."""
    path = _file_of("skimage", "data", "astronaut.png")  # Of the extra `test`.
    image_bgr = cv2.imread(str(path))
    if image_bgr is None:
        raise SystemExit(f"no picture can be read from {path}")
    return np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)


def moving(image_rgb: Image, count: int = 16, noise: float = 2.0) -> Iterator[Image]:
    """Give pictures in which a photograph sways by a hundredth of its width, with a camera's noise."""
    random = np.random.default_rng(0)
    height, width = image_rgb.shape[:2]
    for number in range(count):
        turn = 2 * np.pi * number / count
        way = width / 100 * np.array((np.sin(turn), 0.5 * np.cos(turn)))
        shift = np.array(((1, 0, way[0]), (0, 1, way[1])))
        swayed = cv2.warpAffine(image_rgb, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
        yield np.clip(swayed + random.normal(0, noise, swayed.shape), 0, 255).astype(np.uint8)


def dimmed(image_rgb: Image, stops: float, noise: float = 0.0015, seed: int = 0) -> Image:
    """Return a picture as with so many stops less light, with the noise of a sensor.

    `noise` is its deviation in light, of 1 for white. A camera's gamma is taken to be 2.2.
    """
    random = np.random.default_rng(seed)
    light = (image_rgb / 255.0) ** 2.2 * 2.0**-stops
    seen = np.clip(light + random.normal(0, noise, light.shape), 0, 1) ** (1 / 2.2)
    return np.asarray(np.rint(seen * 255), np.uint8)


def framed(image_rgb: Image, top: float, size: tuple[int, int]) -> Image:
    """Return a picture cut to `size` (width, height); of the spare height, `top` is cut off above."""
    width, height = size
    scale = max(width / image_rgb.shape[1], height / image_rgb.shape[0])
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    resized = cv2.resize(image_rgb, None, fx=scale, fy=scale, interpolation=way)
    row = round(top * (resized.shape[0] - height))
    column = (resized.shape[1] - width) // 2
    return np.ascontiguousarray(resized[row : row + height, column : column + width], np.uint8)
