from __future__ import annotations

import pytest
import torch

from harness import kernels
from inference_service.device.colour import TO_I420, TO_RGB, Colour, _to_i420, _to_rgb
from inference_service.device.kernels.twin import require_alike
from inference_service.engine.applying import LEVELS
from shared.frame import ColourMatrix, ColourRange

pytestmark = pytest.mark.triton
DEVICE = kernels.device()
COLOURS = [Colour(span, matrix) for span in ColourRange for matrix in ColourMatrix]
SIZES = [(2, 2), (6, 10), (34, 62), (72, 90)]
"""(height, width)."""


def numbers(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1)).to(
        DEVICE
    )


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("size", SIZES)
def test_planes_become_the_same_rgb_by_the_kernel(colour: Colour, size: tuple[int, int]) -> None:
    height, width = size
    i420 = numbers(3, height * 3 // 2, width)
    made = TO_RGB.load_kernel()(i420, _to_rgb(colour))
    require_alike("rgb", made, TO_RGB.plain(i420, _to_rgb(colour)), 1)
    assert made.stride() == TO_RGB.plain(i420, _to_rgb(colour)).stride()


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", ["planes", "channels last", "a part"])
def test_rgb_becomes_the_same_planes_by_the_kernel(
    colour: Colour, size: tuple[int, int], layout: str
) -> None:
    height, width = size
    image_rgb = numbers(3, 3, height, width)
    if layout == "channels last":
        image_rgb = image_rgb.contiguous(memory_format=torch.channels_last)
    elif layout == "a part":
        image_rgb = numbers(3, 3, height + 3, width + 5)[:, :, 1 : height + 1, 2 : width + 2]
    by = _to_i420(colour)
    require_alike("i420", TO_I420.load_kernel()(image_rgb, by), TO_I420.plain(image_rgb, by), 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("layout", ["planes", "channels last", "a part", "pictures inside", "one value"])
def test_numbers_become_the_same_levels_by_the_kernel(dtype: torch.dtype, layout: str) -> None:
    pictures = torch.rand(5, 3, 30, 42, generator=torch.Generator().manual_seed(1)) * 400 - 70
    pictures[0, 0, 0, :6] = torch.tensor([0.5, 1.5, 2.5, -0.5, 254.5, 255.5])
    pictures[1, 2, 29, 41] = torch.nan
    pictures[2, 1, 3, 3] = torch.inf
    pictures[3, 0, 0, 0] = -torch.inf
    pictures[4] *= 100
    pictures = pictures.to(DEVICE, dtype)
    if layout == "channels last":
        pictures = pictures.contiguous(memory_format=torch.channels_last)
    elif layout == "a part":
        pictures = torch.cat((pictures, pictures), 3)[..., : pictures.shape[3]]
    elif layout == "pictures inside":
        pictures = pictures.permute(1, 0, 2, 3).contiguous().permute(1, 0, 2, 3)
    elif layout == "one value":
        pictures = pictures[:, :, :1, :1].expand(-1, -1, 30, 42)
    made, is_bad = LEVELS.load_kernel()(pictures)
    expected, is_expected_bad = LEVELS.plain(pictures)
    assert torch.equal(made, expected)
    assert torch.equal(is_bad, is_expected_bad)
    if layout != "one value":
        assert is_bad.tolist() == [False, True, True, True, False]
        assert made[0, 0, 0, :6].tolist() == [0, 2, 2, 0, 254, 255]


def test_the_largest_finite_number_of_half_precision_is_a_level() -> None:
    pictures = torch.full((1, 3, 2, 2), 65504.0, dtype=torch.float16, device=DEVICE)
    made, is_bad = LEVELS.load_kernel()(pictures)
    assert made.unique().tolist() == [255]
    assert is_bad.tolist() == [False]
