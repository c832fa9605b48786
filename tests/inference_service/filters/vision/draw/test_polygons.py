"""Polygons filled: areas that can be worked out."""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.filters.vision.draw.polygons import filled

SQUARE = torch.tensor([[4.0, 4.0], [12.5, 4.0], [12.5, 10.0], [4.0, 10.0]])
TRIANGLE = torch.tensor([[20.0, 3.0], [30.0, 23.0], [10.0, 23.0]])


def drawn(*polygons: Tensor, layers: tuple[int, ...] = (0, 0), count: int = 1) -> Tensor:
    starts = torch.cat(polygons)[None]
    ends = torch.cat([polygon.roll(-1, 0) for polygon in polygons])[None]
    each = [layer for layer, polygon in zip(layers, polygons, strict=False) for _ in polygon]
    return filled(starts, ends, torch.tensor(each), count, (32, 32))[0]


def test_a_rectangle_covers_its_pixels_and_half_of_those_it_cuts() -> None:
    (map_,) = drawn(SQUARE)
    assert map_[4:10, 4:12].eq(1).all()
    assert torch.allclose(map_[4:10, 12], torch.tensor(0.5))
    assert map_.sum().item() == 8.5 * 6


def test_a_triangle_has_its_area_whichever_way_round_it_goes() -> None:
    for corners in (TRIANGLE, TRIANGLE.flip(0)):
        assert abs(drawn(corners)[0].sum().item() - 200) < 1


def test_each_polygon_is_on_its_own_layer() -> None:
    first, second = drawn(SQUARE, TRIANGLE, layers=(1, 0), count=2)
    assert torch.equal(second, drawn(SQUARE)[0])
    assert torch.equal(first, drawn(TRIANGLE)[0])


def test_what_lies_outside_is_cut_off() -> None:
    (map_,) = drawn(SQUARE * 10 - 60)
    assert map_.eq(1).all()
    assert not drawn(SQUARE - 40).any()
    assert not drawn(SQUARE + 40).any()


def test_a_polygon_without_area_covers_nothing() -> None:
    assert not drawn(torch.full((4, 2), 7.3)).any()
