"""A photograph of a person as a camera would frame it.

It is matplotlib's sample `grace_hopper.jpg`, with which no network of this project was trained.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

SIZE = (640, 480)
GRACE_HOPPER = Path(mpl.get_data_path(), "sample_data", "grace_hopper.jpg")


def read_photo(path: Path = GRACE_HOPPER, top: float = 0.15, size: tuple[int, int] = SIZE) -> Image:
    """Return a photograph cut to `size` (width, height); of the spare height, `top` is cut off above."""
    width, height = size
    image_bgr = cv2.imread(str(path))
    if image_bgr is None:
        raise SystemExit(f"no picture can be read from {path}")
    scale = max(width / image_bgr.shape[1], height / image_bgr.shape[0])
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    image_bgr = cv2.resize(image_bgr, None, fx=scale, fy=scale, interpolation=way)
    row = round(top * (image_bgr.shape[0] - height))
    column = (image_bgr.shape[1] - width) // 2
    framed = image_bgr[row : row + height, column : column + width]
    return np.asarray(cv2.cvtColor(framed, cv2.COLOR_BGR2RGB), np.uint8)
