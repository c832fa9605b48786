from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
import torch

from inference_service.device import colour
from inference_service.device.colour import Colour
from shared.frame import ColourMatrix, ColourRange

OPENCV = Colour()
FULL = Colour(ColourRange.FULL, ColourMatrix.BT601)
HD = Colour(ColourRange.LIMITED, ColourMatrix.BT709)
FULL_HD = Colour(ColourRange.FULL, ColourMatrix.BT709)
ALL = (OPENCV, FULL, HD, FULL_HD)


class TorchOnly(Colour):
    """The usual colour, kept off OpenCV's path as on a GPU."""

    __slots__ = ()
    is_opencv = False


def smooth_rgb(height: int = 96, width: int = 128, seed: int = 1) -> np.ndarray:
    """(H, W, 3) RGB uint8; each 2 x 2 block is of one colour, so that the siting of chroma plays no part."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    half = cv2.resize(small, (width // 2, height // 2), interpolation=cv2.INTER_CUBIC)
    return half.repeat(2, axis=0).repeat(2, axis=1)


def noise_i420(count: int = 3, height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (count, height * 3 // 2, width), np.uint8)


def most(one: object, other: object) -> int:
    return int(np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).max())


def as_batch(image_rgb: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image_rgb[None]).permute(0, 3, 1, 2)


def as_image(batch: torch.Tensor) -> np.ndarray:
    return batch[0].permute(1, 2, 0).numpy()


def through_pyav(image_rgb: np.ndarray, meant: Colour) -> np.ndarray:
    """Return the packed I420 that libswscale makes of the image."""
    frame = av.VideoFrame.from_ndarray(image_rgb, format="rgb24")
    made = frame.reformat(
        format="yuv420p",
        src_colorspace="ITU709" if meant.matrix is ColourMatrix.BT709 else "ITU601",
        dst_colorspace="ITU709" if meant.matrix is ColourMatrix.BT709 else "ITU601",
        src_color_range="JPEG",
        dst_color_range="JPEG" if meant.range is ColourRange.FULL else "MPEG",
    )
    return made.to_ndarray()


@pytest.mark.parametrize("meant", [OPENCV, TorchOnly()])
def test_rgb_differs_from_opencv_by_one_at_most(meant):
    planes = noise_i420()
    expected = np.stack([cv2.cvtColor(one, cv2.COLOR_YUV2RGB_I420) for one in planes])
    made = colour.i420_to_rgb(torch.from_numpy(planes), meant)
    assert made.shape == (3, 3, 48, 64)
    assert made.dtype is torch.uint8
    assert made.is_contiguous(memory_format=torch.channels_last)
    assert most(made.permute(0, 2, 3, 1), expected) <= 1


@pytest.mark.parametrize("meant", [OPENCV, TorchOnly()])
def test_i420_differs_from_opencv_by_one_at_most(meant):
    image_rgb = np.random.default_rng(3).integers(0, 256, (2, 48, 64, 3), np.uint8)
    expected = np.stack([cv2.cvtColor(one, cv2.COLOR_RGB2YUV_I420) for one in image_rgb])
    made = colour.rgb_to_i420(torch.from_numpy(image_rgb).permute(0, 3, 1, 2), meant)
    assert made.shape == (2, 72, 64)
    assert made.dtype is torch.uint8
    assert most(made, expected) <= 1


@pytest.mark.parametrize("meant", [*ALL, TorchOnly()])
def test_i420_differs_from_libswscale_by_three_at_most(meant):
    image_rgb = smooth_rgb()
    assert most(colour.rgb_to_i420(as_batch(image_rgb), meant)[0], through_pyav(image_rgb, meant)) <= 3


@pytest.mark.parametrize("meant", [*ALL, TorchOnly()])
def test_a_picture_comes_back_from_i420(meant):
    image_rgb = smooth_rgb()
    back = colour.i420_to_rgb(colour.rgb_to_i420(as_batch(image_rgb), meant), meant)
    assert most(as_image(back), image_rgb) <= 4


@pytest.mark.parametrize(
    ("meant", "rgb", "yuv"),
    [
        # ITU-R BT.601-7 and BT.709-6: black, white and the primaries in 8 bits.
        (OPENCV, (0, 0, 0), (16, 128, 128)),
        (OPENCV, (255, 255, 255), (235, 128, 128)),
        (OPENCV, (255, 0, 0), (81, 90, 240)),
        (OPENCV, (0, 0, 255), (41, 240, 110)),
        (TorchOnly(), (255, 0, 0), (81, 90, 240)),
        (HD, (0, 0, 0), (16, 128, 128)),
        (HD, (255, 0, 0), (63, 102, 240)),
        (HD, (0, 255, 0), (173, 42, 26)),
        (FULL, (0, 0, 0), (0, 128, 128)),
        (FULL, (255, 255, 255), (255, 128, 128)),
        (FULL, (255, 0, 0), (76, 85, 255)),
        (FULL_HD, (0, 0, 255), (18, 255, 116)),
    ],
)
def test_known_colours_both_ways(meant, rgb, yuv):
    image_rgb = np.full((16, 16, 3), rgb, np.uint8)
    i420 = colour.rgb_to_i420(as_batch(image_rgb), meant)[0]
    assert most((i420[0, 0], i420[16, 0], i420[20, 0]), yuv) <= 1
    planes = np.concatenate(
        [np.full((16, 16), yuv[0]), np.full((4, 16), yuv[1]), np.full((4, 16), yuv[2])]
    ).astype(np.uint8)
    back = as_image(colour.planes_to_rgb([planes], meant))
    assert most(back, image_rgb) <= 3


@pytest.mark.parametrize("meant", ALL)
def test_the_planes_are_left_as_they_came(meant):
    planes = noise_i420()
    before = planes.copy()
    made = colour.planes_to_rgb(list(planes), meant)
    made.zero_()
    assert np.array_equal(planes, before)


@pytest.mark.parametrize("meant", [OPENCV, HD])
def test_channels_first_memory_gives_the_same_picture(meant):
    batch = torch.from_numpy(np.random.default_rng(4).integers(0, 256, (2, 3, 32, 48), np.uint8))
    channels_last = batch.contiguous(memory_format=torch.channels_last)
    assert torch.equal(colour.rgb_to_i420(batch, meant), colour.rgb_to_i420(channels_last, meant))
