from __future__ import annotations

import contextlib
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling_service.media.picture_size import LARGEST, Size, UnreadableSize, sizes_of


def encoded(codec: str, width: int, height: int, options: dict[str, str], frames: int = 1) -> list[bytes]:
    """Frames as a page would send them."""
    made: Any = av.CodecContext.create(codec, "w")
    made.width, made.height, made.time_base = width, height, Fraction(1, 30)
    made.pix_fmt, made.options = options.pop("pix_fmt", "yuv420p"), options
    picture = np.zeros((height, width, 3), np.uint8)
    packets = []
    for _ in range(frames):
        packets += made.encode(
            av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=made.pix_fmt)
        )
    return [bytes(packet) for packet in [*packets, *made.encode(None)]]


def vp8_key_frame(width: int, height: int) -> bytes:
    """A key frame's beginning that claims this size."""
    return (
        b"\x10\x02\x00\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + bytes(90)
    )


@pytest.mark.parametrize(("width", "height"), [(640, 480), (64, 48), (1920, 1080), (1080, 1920)])
@pytest.mark.parametrize(
    "options",
    [
        {"profile": "baseline"},
        {"profile": "main"},
        {"profile": "high"},
        {"profile": "high", "x264-params": "cqm=jvt"},
        {"profile": "high444", "pix_fmt": "yuv444p"},
        {"profile": "main", "x264-params": "interlaced=1"},
    ],
    ids=lambda options: " ".join(options.values()),
)
def test_the_size_of_h264_is_that_of_its_blocks(width: int, height: int, options: dict[str, str]) -> None:
    data = encoded("libx264", width, height, {"preset": "ultrafast", "tune": "zerolatency", **options})[0]
    (size,) = sizes_of("H264", data)
    rows = 32 if "interlaced" in str(options) else 16
    assert size == (-(-width // 16) * 16, -(-height // rows) * rows)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1280, 720), (34, 18)])
def test_a_key_frame_of_vp8_tells_its_size_and_others_none(width: int, height: int) -> None:
    key, other = encoded("libvpx", width, height, {"deadline": "realtime", "lag-in-frames": "0"}, frames=2)
    assert sizes_of("VP8", key) == [(width, height)]
    assert sizes_of("VP8", other) == []


def test_a_small_frame_may_claim_a_large_picture() -> None:
    (size,) = sizes_of("VP8", vp8_key_frame(16383, 16383))
    assert size == (16383, 16383)
    assert not size.fits(LARGEST)
    # The upper bits are a scale, no size.
    assert sizes_of("VP8", vp8_key_frame(0x4000 | 640, 0xC000 | 480)) == [(640, 480)]


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_what_is_cut_off_is_unreadable_or_tells_the_same(codec: str) -> None:
    name, options = ("libvpx", {}) if codec == "VP8" else ("libx264", {"profile": "high"})
    data = encoded(name, 640, 480, options)[0][:64]
    for end in range(len(data)):
        with contextlib.suppress(UnreadableSize):
            assert sizes_of(codec, data[:end]) in ([], [(640, 480)])


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@given(data=st.binary(max_size=200))
def test_random_bytes_are_unreadable_or_have_some_size(codec: str, data: bytes) -> None:
    with contextlib.suppress(UnreadableSize):
        sizes_of(codec, b"\x00\x00\x01\x67" + data if codec == "H264" else b"\x10\x00\x00" + data)


def test_every_parameter_set_of_a_frame_counts() -> None:
    small, large = (encoded("libx264", side, side, {"tune": "zerolatency"})[0][:40] for side in (64, 640))
    assert sizes_of("H264", small + b"\x00\x00\x01" + large.lstrip(b"\x00")[1:]) == [(64, 64), (640, 640)]


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        (Size(1920, 1080), True),
        (Size(1920, 1088), True),
        (Size(1080, 1920), True),
        (Size(1936, 1080), False),
        (Size(1920, 1104), False),
        (Size(1200, 1200), False),
        (Size(0, 0), True),
    ],
)
def test_a_limit_holds_either_way_round(size: Size, fits: bool) -> None:
    assert size.fits(Size(1920, 1080)) is fits
    assert size.fits(Size(1080, 1920)) is fits
