from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.vision.networks.rcnn_keypoints import peaks

CELLS = 56


def maps_like_real_ones(count: int) -> Tensor:
    """Return (count, 17, 56, 56): a bump each, some of them at the border, on soft noise."""
    generator = torch.Generator().manual_seed(1)
    row, column = torch.meshgrid(torch.arange(56.0), torch.arange(56.0), indexing="ij")
    x, y = (torch.rand(count, 17, 2, generator=generator) * 58 - 1).unbind(-1)
    width = 1.5 + 3 * torch.rand(count, 17, generator=generator)
    away = (column - x[..., None, None]) ** 2 + (row - y[..., None, None]) ** 2
    noise = nnf.avg_pool2d(torch.randn(count, 17, 56, 56, generator=generator), 5, 1, 2)
    return 12 * torch.exp(-away / (2 * width[..., None, None] ** 2)) - 3 + 0.1 * noise


def one_by_one(maps: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Each map enlarged to whole pixels of its box, and its highest pixel: torchvision's definition."""
    places, scores = torch.zeros(*maps.shape[:2], 2), torch.zeros(*maps.shape[:2], 1)
    for number, (own, (x1, y1, x2, y2)) in enumerate(zip(maps, boxes, strict=True)):
        width, height = (x2 - x1).clamp(min=1), (y2 - y1).clamp(min=1)
        across, down = int(width.ceil()), int(height.ceil())
        large = nnf.interpolate(own[None], size=(down, across), mode="bicubic", align_corners=False)[0]
        scores[number, :, 0], best = large.flatten(1).max(dim=1)
        places[number, :, 0] = (best % across + 0.5) * width / across + x1
        places[number, :, 1] = (best // across + 0.5) * height / down + y1
    return places, scores


def boxes_of(width: float, height: float, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    corner = torch.rand(count, 2, generator=generator) * 100
    return torch.cat((corner, corner + torch.tensor([width, height])), dim=1)


@pytest.mark.parametrize(("width", "height"), [(60.3, 200.7), (150.0, 480.0), (640.0, 57.2)])
def test_points_are_those_of_the_definition(width: float, height: float) -> None:
    maps, boxes = maps_like_real_ones(6), boxes_of(width, height, 6)
    expected, expected_scores = one_by_one(maps, boxes)
    place, score = peaks(maps, boxes)
    assert torch.allclose(place, expected, atol=1e-2)
    assert torch.allclose(score, expected_scores, atol=1e-3)


@pytest.mark.parametrize(("width", "height", "most"), [(12.0, 30.0, 1.01), (1500.0, 900.0, 2.01)])
def test_in_tiny_and_huge_boxes_points_are_a_pixel_or_two_away_at_most(
    width: float, height: float, most: float
) -> None:
    maps, boxes = maps_like_real_ones(2), boxes_of(width, height, 2)
    assert (peaks(maps, boxes)[0] - one_by_one(maps, boxes)[0]).abs().max() < most


def test_a_box_without_area_has_a_point_too() -> None:
    place, score = peaks(maps_like_real_ones(1), torch.zeros(1, 4))
    assert place.isfinite().all()
    assert score.isfinite().all()
