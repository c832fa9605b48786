"""Between PyAV's frames, whose lines may be padded, and packed I420 planes (shared.frame)."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from shared.frame import CLOCK_RATE, ColourMatrix, ColourRange, i420_size_bytes
from shared.wire import Buffer

TIME_BASE = Fraction(1, CLOCK_RATE)


def packed_planes(frame: av.VideoFrame, width: int, height: int) -> memoryview:
    """Return a copy of an I420 frame's planes without line padding: width * height * 3 / 2 bytes.

    Width and height are even and at most the frame's; what is beyond them is left out.
    """
    packed = np.empty(i420_size_bytes(width, height), np.uint8)
    for target, plane in zip(plane_views(packed, width, height), frame.planes, strict=True):
        rows, columns = target.shape
        target[:] = plane_lines(plane)[:rows, :columns]
    return packed.data


def plane_views(planes: NDArray[np.uint8], width: int, height: int) -> list[NDArray[np.uint8]]:
    """Return views of Y (height, width), U and V (height / 2, width / 2) of packed planes."""
    views = []
    position = 0
    for divisor in (1, 2, 2):
        columns, rows = width // divisor, height // divisor
        views.append(planes[position : position + columns * rows].reshape(rows, columns))
        position += columns * rows
    return views


def plane_lines(plane: VideoPlane) -> NDArray[np.uint8]:
    """Return a view (lines, line_size) of one plane of a frame, its padding included."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)


def video_frame(
    planes: Buffer, width: int, height: int, colour_range: ColourRange, colour_matrix: ColourMatrix
) -> av.VideoFrame:
    """Return a new frame with a copy of packed I420 planes; without a pts."""
    # Plane by plane into the frame's own memory: 0.06 ms at 640x480, where from_ndarray takes 0.4.
    frame = av.VideoFrame(width, height, "yuv420p")
    views = plane_views(np.frombuffer(planes, np.uint8), width, height)
    for view, plane in zip(views, frame.planes, strict=True):
        rows, columns = view.shape
        plane_lines(plane)[:rows, :columns] = view
    frame.color_range = ColorRange.JPEG if colour_range is ColourRange.FULL else ColorRange.MPEG
    frame.colorspace = Colorspace.ITU709 if colour_matrix is ColourMatrix.BT709 else Colorspace.ITU601
    frame.time_base = TIME_BASE
    return frame
