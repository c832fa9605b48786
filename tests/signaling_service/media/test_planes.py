from __future__ import annotations

import av
import numpy as np
import pytest

from shared.frame import ColourMatrix, ColourRange
from signaling_service.media.planes import DecodedPlanes, packed, video_frame
from signaling_service.rtc.camera import to_camera_frame


def picture(width: int, height: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(16, 235, (height * 3 // 2, width), dtype=np.uint8)


@pytest.mark.parametrize("size", [(640, 480), (34, 18), (34, 20), (1282, 720), (1282, 722)])
def test_planes_survive_the_way_into_a_frame_and_out_again(size: tuple[int, int]) -> None:
    given = picture(*size)
    frame = video_frame(given.tobytes(), *size, ColourRange.LIMITED, ColourMatrix.BT601)
    assert bytes(packed(DecodedPlanes(frame, *size))) == given.tobytes()


def test_line_padding_is_left_out() -> None:
    frame = av.VideoFrame(38, 20, "yuv420p")
    assert frame.planes[0].line_size > 38
    for plane, value in zip(frame.planes, (50, 100, 150), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    lines = bytes(packed(DecodedPlanes(frame, 38, 20)))
    assert lines == b"\x32" * 760 + b"\x64" * 190 + b"\x96" * 190


def test_odd_sizes_lose_their_last_column_and_row() -> None:
    frame = av.VideoFrame(641, 481, "yuv420p")
    made = to_camera_frame(frame)
    assert made is not None
    assert (made.width, made.height, made.planes.size_bytes) == (640, 480, 640 * 480 * 3 // 2)


def test_a_size_that_cannot_be_sent_gives_no_frame() -> None:
    assert to_camera_frame(av.VideoFrame(8, 8, "yuv420p")) is None


def test_colour_range_and_matrix_are_taken_along_and_come_back() -> None:
    full = video_frame(picture(32, 16).tobytes(), 32, 16, ColourRange.FULL, ColourMatrix.BT709)
    made = to_camera_frame(full)
    assert made is not None
    assert (made.colour_range, made.colour_matrix) == (ColourRange.FULL, ColourMatrix.BT709)
    plain = to_camera_frame(av.VideoFrame(32, 16, "yuv420p"))
    assert plain is not None
    assert (plain.colour_range, plain.colour_matrix) == (ColourRange.LIMITED, ColourMatrix.BT601)


def test_another_pixel_format_is_converted() -> None:
    red = np.zeros((16, 32, 3), np.uint8)
    red[..., 0] = 255
    made = to_camera_frame(av.VideoFrame.from_ndarray(red, format="rgb24"))
    assert made is not None
    # BT.601 limited range: pure red is Y 81, U 90, V 240.
    planes = packed(made.planes)
    levels = planes[0], planes[512], planes[640]
    assert all(abs(a - b) <= 2 for a, b in zip(levels, (81, 90, 240), strict=True))
