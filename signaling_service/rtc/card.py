"""The still card that stands in for a camera whose filter is away."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from shared.frame import i420_size_bytes
from shared.wire import Buffer
from signaling_service.media.planes import plane_lines, plane_views

PICTURE = Path(__file__).with_name("card.png")
_BACKGROUND_YUV = (27, 130, 127)
"""The picture's own background (about #0b0d12) in BT.601 limited range."""
KEPT_SIZES = 8


class Card:
    """Scales the picture into any frame size, and keeps the last few sizes."""

    def __init__(self) -> None:
        self._by_size: dict[tuple[int, int], bytes] = {}

    def planes(self, width: int, height: int) -> Buffer:
        """Return I420 planes (BT.601, limited range) with the picture in the middle, its shape kept."""
        known = self._by_size.get((width, height))
        if known is None:
            if len(self._by_size) >= KEPT_SIZES:
                self._by_size.clear()
            known = self._by_size[width, height] = _draw(width, height)
        return known


def _draw(width: int, height: int) -> bytes:
    with av.open(str(PICTURE)) as container:
        picture = next(container.decode(video=0))
    scale = min(width / picture.width, height / picture.height)
    inner_width, inner_height = (max(int(side * scale) & ~1, 2) for side in (picture.width, picture.height))
    inner = picture.reformat(format="rgb24").reformat(
        inner_width,
        inner_height,
        format="yuv420p",
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.MPEG,
    )
    planes = np.empty(i420_size_bytes(width, height), np.uint8)
    for outer, plane, grey in zip(
        plane_views(planes, width, height), inner.planes, _BACKGROUND_YUV, strict=True
    ):
        rows, columns = (side * outer.shape[0] // height for side in (inner_height, inner_width))
        top, left = (outer.shape[0] - rows) // 2, (outer.shape[1] - columns) // 2
        outer[:] = grey
        outer[top : top + rows, left : left + columns] = plane_lines(plane)[:rows, :columns]
    return planes.tobytes()
