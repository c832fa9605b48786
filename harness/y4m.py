"""The file that Chromium's camera plays in a loop (`--use-file-for-fake-video-capture`)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt


def write_y4m(
    path: Path, size: tuple[int, int], fps: int, frames_i420: Iterable[npt.NDArray[np.uint8]]
) -> None:
    """Write frames of `size` (width, height), each (H * 3 / 2, W) uint8 of full planes."""
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (*size, fps))
        for planes in frames_i420:
            file.write(b"FRAME\n" + planes.tobytes())
