"""Pictures of bytes: what OpenCV makes of them on a CPU is what the formulas say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.vision import levels


def pictures(count: int = 2, size: tuple[int, int] = (48, 66), seed: int = 0) -> Tensor:
    """Return (N, 3, H, W) uint8 of smooth colours."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand((count, 3, 7, 9), generator=random) * 255
    return nnf.interpolate(coarse, size, mode="bilinear").round().to(torch.uint8)


def near(found: Tensor, expected: Tensor, atol: float = 1) -> None:
    torch.testing.assert_close(found.float(), expected.float(), atol=atol, rtol=0)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_shrunk_picture_has_the_mean_of_its_pixels(memory_format: torch.memory_format) -> None:
    given = pictures().contiguous(memory_format=memory_format)
    near(levels.shrunk(given, (16, 22)), nnf.avg_pool2d(given.float(), 3))


@pytest.mark.parametrize("size", [(96, 132), (256, 256), (20, 31)])
def test_stretched_picture_is_bilinear(size: tuple[int, int]) -> None:
    given = pictures()
    expected = nnf.interpolate(given.float(), size, mode="bilinear", align_corners=False)
    near(levels.stretched(given, size), expected)


def test_size_that_is_there_already_costs_nothing() -> None:
    given = pictures()
    assert levels.shrunk(given, (48, 66)) is given
    assert levels.stretched(given, (48, 66)) is given


def test_luma_is_that_of_bt_601_in_whole_numbers() -> None:
    given = pictures()
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    found = levels.luma(given)
    near(found, (given.float() * weights).sum(1, keepdim=True).round())
    assert torch.equal(found, found.round())


def test_mixture_is_of_both_by_its_share() -> None:
    below, above, share = pictures(seed=1), pictures(seed=2), torch.rand(2, 1, 48, 66)
    near(levels.mixed(below, above, share), torch.lerp(below.float(), above.float(), share))
    assert torch.equal(levels.mixed(below, above, torch.ones(2, 1, 48, 66)), above)
    assert torch.equal(levels.mixed(below, above, torch.zeros(2, 1, 48, 66)), below)


def test_light_adds_to_what_is_dark_and_leaves_white() -> None:
    given, light = pictures(seed=3), pictures(seed=4)
    near(levels.lit(given, light), 255 - (255 - given.float()) * (255 - light.float()) / 255)
    white = torch.full_like(given, 255)
    assert torch.equal(levels.lit(white, light), white)
    assert torch.equal(levels.lit(given, torch.zeros_like(light)), given)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_gives_what_the_cpu_gives() -> None:
    given, other, share = pictures(seed=5), pictures(seed=6), torch.rand(2, 1, 48, 66)
    there, other_there, share_there = (one.to("cuda") for one in (given, other, share))
    near(levels.shrunk(there, (16, 22)).cpu(), levels.shrunk(given, (16, 22)))
    near(levels.stretched(there, (96, 100)).cpu(), levels.stretched(given, (96, 100)))
    near(levels.luma(there).cpu(), levels.luma(given))
    near(levels.mixed(there, other_there, share_there).cpu(), levels.mixed(given, other, share))
    near(levels.lit(there, other_there).cpu(), levels.lit(given, other))
