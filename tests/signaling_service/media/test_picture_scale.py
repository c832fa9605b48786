from __future__ import annotations

import fractions
from itertools import pairwise

import av
import pytest

from harness.picture import Picture
from signaling_service.media.encoders.h264 import H264Encoder
from signaling_service.media.encoders.vp8 import Vp8Encoder
from signaling_service.media.picture_scale import (
    FALL_AFTER_S,
    FEW_FPS,
    FULL_FPS,
    RISE_AFTER_S,
    SOON_S,
    PictureScale,
)

FULL, SMALLER, SMALLEST = (640, 480), (480, 360), (320, 240)


def sizes(*rates: tuple[float, int]) -> list[tuple[int, int]]:
    """Return the size at each time and rate, in turn."""
    scale = PictureScale()
    return [scale.size(640, 480, bits_per_s, now_s) for now_s, bits_per_s in rates]


def test_a_picture_is_whole_while_its_bits_are_enough_and_smaller_below() -> None:
    whole = [(0.0, 1_500_000), (1.0, 700_000)]
    smaller = [(2.0, 500_000), (2.1 + FALL_AFTER_S, 500_000)]
    smallest = [(4.0, 300_000), (4.1 + FALL_AFTER_S, 300_000)]
    assert sizes(*whole, *smaller, *smallest) == [FULL, FULL, FULL, SMALLER, SMALLER, SMALLEST]
    assert sizes((0, 300_000)) == [SMALLEST]


def test_few_bits_for_a_moment_change_nothing() -> None:
    draining = [(0.1 * i, 500_000 if i % 6 else 900_000) for i in range(80)]
    assert sizes((0.0, 900_000), *draining) == [FULL] * 81


def test_far_too_few_bits_wait_for_nothing() -> None:
    assert sizes((0, 1_500_000), (1, 250_000)) == [FULL, SMALLEST]


def test_it_grows_as_far_as_its_bits_are_enough_and_not_for_a_moment() -> None:
    found = sizes((0, 300_000), (0.5, 1_500_000), (RISE_AFTER_S, 600_000), (2 * RISE_AFTER_S, 1_500_000))
    assert found == [SMALLEST, SMALLEST, SMALLER, FULL]
    assert sizes((0, 100_000), (RISE_AFTER_S, 1_500_000)) == [SMALLEST, FULL]


def test_all_the_bits_that_the_next_size_is_worth_make_it_grow_soon() -> None:
    assert sizes((0, 300_000), (SOON_S, 700_000), (SOON_S + 0.1, 1_500_000)) == [SMALLEST, SMALLEST, FULL]


def test_a_rate_at_the_edge_changes_nothing_back_and_forth() -> None:
    at_edge = [(3.0 * i, 590_000 if i % 2 else 640_000) for i in range(20)]
    assert sizes((0.0, 590_000), *at_edge)[1:] == [SMALLER] * 20


def test_a_size_that_did_not_last_is_tried_again_later_each_time() -> None:
    """Bits between both edges, and 0.8 s of too few after each rise: its key frame has filled the link."""
    scale, rises_s, rose_s = PictureScale(), [0.0], -1.0
    before = scale.size(640, 480, 500_000, 0.0)
    for tick in range(1, 600):
        now_s = tick / 10
        size = scale.size(640, 480, 500_000 if now_s - rose_s < 1.0 else 800_000, now_s)
        if size > before:
            rises_s.append(rose_s := now_s)
        before = size
    waits_s = [b - a for a, b in pairwise(rises_s)]
    assert waits_s == sorted(waits_s)
    assert len(waits_s) <= 6


def test_plenty_of_bits_make_it_whole_whatever_was_before() -> None:
    scale, now_s = PictureScale(), 0.0
    for _ in range(6):
        for bits_per_s, for_s in ((500_000, 1.0), (800_000, 20.0)):
            for _ in range(round(10 * for_s)):
                now_s += 0.1
                scale.size(640, 480, bits_per_s, now_s)
    for _ in range(round(10 * (FALL_AFTER_S + 0.2))):
        now_s += 0.1
        scale.size(640, 480, 500_000, now_s)
    fallen_s = now_s
    while scale.size(640, 480, 1_000_000, now_s) != FULL:
        now_s += 0.1
    assert now_s - fallen_s <= RISE_AFTER_S + 0.2


def test_sizes_are_even_and_a_small_picture_stays() -> None:
    scale = PictureScale()
    assert scale.size(642, 362, 300_000, 0.0) in {(320, 180), (480, 270), (642, 362)}
    assert PictureScale().size(176, 144, 1000, 0.0) == (176, 144)


def test_behind_the_smallest_size_every_second_picture_is_sent() -> None:
    scale = PictureScale()
    found = []
    for now_s, bits_per_s in ((0.0, 300_000), (1.0, 120_000), (1.5, 400_000), (1.0 + RISE_AFTER_S, 400_000)):
        found.append((scale.size(640, 480, bits_per_s, now_s), scale.fps))
    assert found == [(SMALLEST, 30), (SMALLEST, 15), (SMALLEST, 15), (SMALLEST, 30)]
    small = PictureScale()
    assert (small.size(176, 144, 100_000, 0.0), small.fps) == ((176, 144), 15)


@pytest.mark.parametrize("encoder", [H264Encoder, Vp8Encoder])
def test_half_as_many_pictures_have_twice_the_bits(encoder: type[H264Encoder | Vp8Encoder]) -> None:
    bytes_of_one = {}
    for fps in (FULL_FPS, FEW_FPS):
        one, sizes_sent = encoder(), []
        one.target_bitrate = 200_000
        for number in range(45):
            frame = av.VideoFrame.from_ndarray(Picture(320, 240).frame(number), "yuv420p")
            frame.pts, frame.time_base = number * 90_000 // fps, fractions.Fraction(1, 90_000)
            # The rate changes while the encoder runs.
            one.fps = FULL_FPS if number < 5 else fps
            sizes_sent.append(sum(map(len, one.encode(frame)[0])))
        bytes_of_one[fps] = sum(sizes_sent[15:]) / 30
    assert bytes_of_one[FEW_FPS] == pytest.approx(2 * bytes_of_one[FULL_FPS], rel=0.2)


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
