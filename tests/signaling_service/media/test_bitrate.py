from __future__ import annotations

import pytest

from signaling_service.media.bitrate import default_bitrate


@pytest.mark.parametrize(
    ("width", "height", "mbit_per_s"), [(640, 480, 1.5), (1280, 720, 3.0), (1920, 1080, 5.0)]
)
def test_the_usual_sizes_have_the_bitrates_they_were_judged_by(
    width: int, height: int, mbit_per_s: float
) -> None:
    assert default_bitrate(width, height) == pytest.approx(mbit_per_s * 1e6, rel=0.01)


def test_a_larger_picture_gets_more_but_less_for_each_pixel() -> None:
    sizes = [(320, 240), (480, 360), (640, 480), (848, 480), (1280, 720), (1920, 1080), (3840, 2160)]
    rates = [default_bitrate(*size) for size in sizes]
    assert rates == sorted(set(rates))
    per_pixel = [rate / (w * h) for rate, (w, h) in zip(rates, sizes, strict=True)]
    assert per_pixel == sorted(per_pixel, reverse=True)


def test_the_turned_picture_gets_the_same_and_a_tiny_one_the_least() -> None:
    assert default_bitrate(480, 640) == default_bitrate(640, 480)
    assert default_bitrate(2, 2) == 300_000
