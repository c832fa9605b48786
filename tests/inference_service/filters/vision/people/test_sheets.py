"""Turned squares taken out of pictures and put back."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import regions
from inference_service.filters.vision.people import sheets

SIDE = 64
REGION = torch.tensor([[70.0, 50.0, 60.0, 0.5]])
OWNER = torch.zeros(1, dtype=torch.int64)


def gradient() -> Tensor:
    """One picture: red rises to the right, green downwards."""
    picture = torch.zeros(1, 3, 100, 140, dtype=torch.uint8)
    picture[0, 0] = torch.arange(140)
    picture[0, 1] = torch.arange(100)[:, None]
    return picture


def bump() -> Tensor:
    """A change that is 0 at the sheet's border."""
    rise = torch.linspace(0, math.pi, SIDE).sin()
    return (rise * rise[:, None] * 0.3).expand(1, 3, SIDE, SIDE).contiguous()


def test_a_sheet_shows_the_turned_square_as_on_a_gpu() -> None:
    found = sheets.taken(gradient(), REGION, OWNER, SIDE)
    other = regions.cut(gradient(), REGION, OWNER, SIDE) / 255
    assert (found - other).abs().max() < 1.5 / 255


def test_points_lie_on_the_sheet_where_the_picture_does() -> None:
    points = torch.tensor([[[70.0, 50.0, 6.0], [80.0, 44.0, 0.0]]])
    placed = sheets.to_sheets(points, REGION, SIDE)
    assert torch.allclose(placed[0, 0], torch.tensor([32.0, 32.0, 6.4]))
    x, y = placed[0, 1, :2].round().int().tolist()
    red, green = sheets.taken(gradient(), REGION, OWNER, SIDE)[0, :2, y, x] * 255
    assert abs(red - 80) < 1.5
    assert abs(green - 44) < 1.5


def test_what_is_added_lies_where_the_sheet_was_taken() -> None:
    after = sheets.added(gradient(), bump(), REGION, OWNER)
    change = (after.int() - gradient().int())[0, 0].float()
    rows, columns = torch.arange(100.0)[:, None] + 0.5, torch.arange(140.0) + 0.5
    assert abs((change * columns).sum() / change.sum() - 70) < 0.2
    assert abs((change * rows).sum() / change.sum() - 50) < 0.2
    assert abs(change.max() - 0.3 * 255) < 1.5
    # Its upper left corner is turned to above the middle, and the picture's own corner is far from it.
    assert not change[:10, :30].any()


@pytest.mark.parametrize("x", [70.0, 2.0, 139.0, -200.0])
def test_a_gpu_would_add_the_same(x: float) -> None:
    """The tensor path, run on a CPU here, against OpenCV's."""
    where = REGION.clone()
    where[0, 0] = x
    found = sheets.added(gradient(), bump(), where, OWNER)
    other = sheets.added_on_device(gradient(), bump(), where)
    assert (found.float() - other).abs().max() < 2.5


def test_no_region_adds_nothing() -> None:
    assert torch.equal(sheets.added(gradient(), bump(), torch.zeros(1, 4), OWNER), gradient())
