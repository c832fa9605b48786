from __future__ import annotations

import fractions

import av
import pytest

from signaling_service.media.encoders.h264 import H264Encoder
from signaling_service.media.encoders.vp8 import Vp8Encoder
from signaling_service.media.picture_scale import RISE_AFTER_S, PictureScale

FULL, SMALLER, SMALLEST = (640, 480), (480, 360), (320, 240)


def sizes(*rates: tuple[float, int]) -> list[tuple[int, int]]:
    """Return the size at each time and rate, in turn."""
    scale = PictureScale()
    return [scale.size(640, 480, bits_per_s, now_s) for now_s, bits_per_s in rates]


def test_a_picture_is_whole_while_its_bits_are_enough_and_smaller_below() -> None:
    assert sizes((0, 1_500_000), (1, 600_000), (2, 400_000), (3, 300_000)) == [FULL, FULL, SMALLER, SMALLEST]
    assert sizes((0, 300_000)) == [SMALLEST]


def test_it_grows_a_step_at_a_time_and_not_for_a_moment() -> None:
    found = sizes((0, 300_000), (0.5, 1_500_000), (RISE_AFTER_S, 1_500_000), (2 * RISE_AFTER_S, 1_500_000))
    assert found == [SMALLEST, SMALLEST, SMALLER, FULL]


def test_a_rate_at_the_edge_changes_nothing_back_and_forth() -> None:
    at_edge = [(3.0 * i, 440_000 if i % 2 else 470_000) for i in range(20)]
    assert sizes(*at_edge)[1:] == [SMALLER] * 19


def test_sizes_are_even_and_a_small_picture_stays() -> None:
    scale = PictureScale()
    assert scale.size(642, 362, 300_000, 0.0) in {(480, 270), (642, 362)}
    assert PictureScale().size(176, 144, 1000, 0.0) == (176, 144)


@pytest.mark.parametrize("encoder", [H264Encoder, Vp8Encoder])
def test_an_encoder_sends_the_size_that_it_is_told(encoder: type[H264Encoder | Vp8Encoder]) -> None:
    one, sizes_sent = encoder(), []
    for number, size in enumerate([None, SMALLER, SMALLER, None]):
        frame = av.VideoFrame(640, 480, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([90]) * plane.buffer_size)
        frame.pts, frame.time_base = number * 3000, fractions.Fraction(1, 90000)
        one.size = size
        _, timestamp = one.encode(frame)
        assert timestamp == number * 3000
        assert one.codec is not None
        sizes_sent.append((one.codec.width, one.codec.height))
    assert sizes_sent == [FULL, SMALLER, SMALLER, FULL]
