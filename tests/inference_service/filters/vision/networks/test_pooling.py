from __future__ import annotations

import pytest
import torch

from inference_service.filters.vision.networks.pooling import Levels, align_exactly, gather, level_of

pytestmark = pytest.mark.models

STRIDES = (4, 8, 16, 32)
SHAPES = [(64, 96), (32, 48), (16, 24), (8, 12)]
BOXES = torch.tensor(
    [
        [0.0, 0.0, 384.0, 256.0],
        [10.3, 20.7, 40.1, 80.9],
        [100.0, 50.0, 340.0, 250.0],
        [370.0, 240.0, 384.0, 256.0],
        [383.9, 255.9, 384.0, 256.0],
        [0.0, 0.0, 0.0, 0.0],
        [50.0, 60.0, 180.0, 190.0],
    ]
)
PICTURE = torch.tensor([0, 1, 1, 0, 1, 0, 1])


def features(dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, 5, *shape, generator=generator).to(dtype) for shape in SHAPES]


@pytest.mark.parametrize("side", [7, 28])
def test_gathering_equals_the_operator(side: int) -> None:
    maps = features(torch.float32)
    levels = Levels.of(SHAPES, STRIDES, torch.device("cpu"))
    expected = align_exactly(maps, PICTURE, BOXES, STRIDES, side)
    got = gather([one.to(memory_format=torch.channels_last) for one in maps], PICTURE, BOXES, levels, side)
    assert torch.allclose(got, expected, atol=1e-4)
    assert got.permute(0, 2, 3, 1).is_contiguous()


def test_gathering_one_level_equals_the_operator() -> None:
    (finest, *_) = features(torch.float32)
    levels = Levels.of(SHAPES[:1], STRIDES[:1], torch.device("cpu"))
    expected = align_exactly([finest], PICTURE, BOXES, STRIDES[:1], 28)
    assert torch.allclose(gather([finest], PICTURE, BOXES, levels, 28), expected, atol=1e-4)


def test_gathering_half_precision_keeps_coordinates_exact() -> None:
    maps = features(torch.float16)
    levels = Levels.of(SHAPES, STRIDES, torch.device("cpu"))
    expected = align_exactly([one.float() for one in maps], PICTURE, BOXES, STRIDES, 7)
    got = gather(maps, PICTURE, BOXES, levels, 7)
    assert (got.float() - expected).abs().max() < 0.01


def test_levels_follow_the_size_of_a_box() -> None:
    sides = torch.tensor([1.0, 111.9, 112.1, 223.9, 224.1, 447.9, 448.1, 5000.0, 0.0])
    boxes = torch.stack((torch.zeros(9), torch.zeros(9), sides, sides), dim=1)
    assert level_of(boxes, 4).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 0]
    assert not level_of(boxes, 1).any()
